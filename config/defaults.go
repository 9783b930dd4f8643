package config

import "time"

// Default is what holds where the file says nothing.
func Default() *Config {
	const day = 24 * time.Hour
	return &Config{
		MasterKeyFile: "master.key",
		DrainDelay:    Duration(2 * time.Second),
		Store:         Store{SQLite: "idp.db"},
		Log:           Log{Level: "info", Access: true},
		Session:       Session{Idle: Duration(time.Hour), Absolute: Duration(12 * time.Hour)},
		Tokens: Tokens{
			Algorithms: []string{"RS256", "PS256", "ES256", "EdDSA"},
			Code:       Duration(time.Minute), Access: Duration(10 * time.Minute), ID: Duration(time.Hour),
			Refresh: Duration(30 * day), RefreshIdle: Duration(7 * day), RefreshGrace: Duration(time.Minute),
			Login: Duration(15 * time.Minute),
		},
		Lockout: Lockout{
			Failures: 5, Window: Duration(15 * time.Minute), Duration: Duration(15 * time.Minute),
			SourceNames: 20, GatewayNames: 500, SourceWindow: Duration(15 * time.Minute),
		},
		Passwords: Passwords{Memory: 19456, Passes: 2, Waiting: 256, Profile: "baseline", StartLife: Duration(day),
			MailTable: MailTable{Table: "users", Account: "userid", Password: "password"}},
		Sync:      Sync{Every: Duration(time.Hour)},
		Directory: Directory{Recheck: Duration(4 * time.Minute), Floor: Duration(400 * time.Millisecond)},
		Cards: Cards{
			Agent: "http://localhost:16121", CRLRefresh: Duration(time.Minute), MOICA: true,
		},
		Pages: Pages{Contacts: []Contact{
			{Name: "機關種子人員", NameEN: "Your agency's contact person"},
			{Name: "資訊報修", NameEN: "Online repair request"},
			{Name: "服務專線", NameEN: "Service line", Text: "1999 轉 8585"},
		}},
	}
}
