package config

import (
	"time"

	"taipeion.internal/idp/policy"
)

// Default is what holds where the file says nothing.
func Default() *Config {
	const day = 24 * time.Hour
	city := policy.CityLockout()
	return &Config{
		MasterKeyFile: "master.key",
		DrainDelay:    Duration(2 * time.Second),
		Store:         Store{SQLite: "idp.db", KeepRecord: Duration(400 * day)},
		Log:           Log{Level: "info", Access: true},
		Session:       Session{Idle: Duration(time.Hour), Absolute: Duration(12 * time.Hour)},
		Tokens: Tokens{
			Algorithms: []string{"RS256", "PS256", "ES256", "EdDSA"},
			Code:       Duration(time.Minute), Access: Duration(10 * time.Minute), ID: Duration(time.Hour),
			Refresh: Duration(30 * day), RefreshIdle: Duration(7 * day), RefreshGrace: Duration(time.Minute),
			Login: Duration(15 * time.Minute), Cache: Duration(500 * time.Millisecond),
		},
		Lockout: Lockout{
			Failures: city.MaxFailures, Window: Duration(city.Window), Duration: Duration(city.Duration), All: city.All,
			SourceNames: 20, GatewayNames: 500, SourceWindow: Duration(15 * time.Minute),
			Starts: 300, GatewayStarts: 60_000,
		},
		Passwords: Passwords{Memory: 19456, Passes: 2, Waiting: 256, Profile: "baseline", StartLife: Duration(day),
			MailTable: MailTable{Table: "users", Account: "userid", Password: "password"}},
		Sync: Sync{Every: Duration(time.Hour)},
		Directory: Directory{Recheck: Duration(4 * time.Minute), Floor: Duration(400 * time.Millisecond),
			PortalTable: PortalTable{Table: "users", Account: "account", Password: "password", Kind: "bcrypt", Timeout: Duration(2 * time.Second), Connections: 8}},
		Cards: Cards{
			Agent: "http://localhost:16121", CRLRefresh: Duration(time.Minute), MOICA: true,
		},
		Phones:   defaultPhones(),
		Codes:    Codes{Enabled: true, Issuer: "臺北市政府電子認證"},
		Passkeys: Passkeys{Enabled: true, Name: "臺北市政府電子認證平臺", Attestation: "none"},
		Mail:     Mail{Security: "starttls", FromName: "電子認證平臺"},
		Pages: Pages{Contacts: []Contact{
			{Name: "機關種子人員", NameEN: "Your agency's contact person", Text: "各機關秘書室", TextEN: "each agency's secretariat"},
			{Name: "資訊報修", NameEN: "Online repair request", Text: "員工入口網 → 資訊報修", TextEN: "Staff portal → IT repair request"},
			{Name: "服務專線", NameEN: "Service line", Text: "1999 轉 8585", TextEN: "1999 ext. 8585"},
		}},
	}
}
