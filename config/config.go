package config

import (
	"taipeion.internal/idp/cardreader"
)

// The comments of the fields below are the reference: `idp config example` and
// the JSON Schema are made from them.

// Config is the configuration of `idp serve`.
type Config struct {
	// Address of this provider as browsers and relying systems see it: the
	// "iss" of every token. https, without a path; http on loopback only, to try things.
	Issuer string `yaml:"issuer" example:"https://id.example.gov.tw"`
	// Address to listen on. Empty: ":8443", or the issuer's own where that is on loopback.
	Listen string `yaml:"listen" example:":8443"`
	// Further host names that are answered, besides the issuer's.
	Hosts []string `yaml:"hosts" example:"[id-internal.example.gov.tw]"`
	// File of 32 random bytes as hexadecimal text, mode 0600, from which all
	// keys for data at rest are derived. Made at the first start. Every node needs the
	// same one. Whoever loses it loses all sealed data; keep a copy, and not beside the backup.
	MasterKeyFile string `yaml:"master_key_file"`
	// How long a stopping node says "not ready" before it stops listening, so
	// that balancers look elsewhere first.
	DrainDelay Duration `yaml:"drain_delay"`

	// TLS of the listener. Without it, TLS ends at a proxy in front, which
	// must be listed in networks.proxies or reach us by loopback.
	TLS TLS `yaml:"tls"`
	// Where everything is kept.
	Store Store `yaml:"store"`
	// Who is who on the network.
	Networks Networks `yaml:"networks"`
	// What is logged. The log is JSON lines on standard error.
	Log Log `yaml:"log"`
	// Figures for Prometheus.
	Metrics Metrics `yaml:"metrics"`
	// The browser's session.
	Session Session `yaml:"session"`
	// How long codes and tokens live, and what signs them.
	Tokens Tokens `yaml:"tokens"`
	// When guessing stops.
	Lockout Lockout `yaml:"lockout"`
	// The cost of checking a password, and the rules of a new one.
	Passwords Passwords `yaml:"passwords"`
	// Decorations that account names may be typed with.
	Names Names `yaml:"names"`
	// Directories that look at passwords.
	Directory Directory `yaml:"directory"`
	// Where people and agencies come from.
	Sync Sync `yaml:"sync"`
	// Natural-person cards.
	Cards Cards `yaml:"cards"`
	// Phones as keys.
	Phones Phones `yaml:"phones"`
	// One-time codes 動態密碼.
	Codes Codes `yaml:"codes"`
	// Passkeys.
	Passkeys Passkeys `yaml:"passkeys"`
	// Mail to people.
	Mail Mail `yaml:"mail"`
	// What the pages say.
	Pages Pages `yaml:"pages"`

	dir string // relative paths start here
}

// TLS is the listener's certificate.
type TLS struct {
	// PEM file with the certificate and its chain. Read again within ten seconds
	// after it changed, and on SIGHUP: no restart is needed.
	Certificate string `yaml:"certificate" example:"tls/fullchain.pem"`
	// PEM file with the private key, mode 0600.
	Key string `yaml:"key" example:"tls/key.pem"`
}

// Store names the database.
type Store struct {
	// SQLite file, for one node. Used unless PostgreSQL is named.
	SQLite string `yaml:"sqlite"`
	// File, mode 0600, that holds the address of a PostgreSQL database, for
	// several nodes: "postgres://user:password@host/idp?sslmode=verify-full".
	PostgreSQLFile string `yaml:"postgresql_file" example:"postgresql.url"`
	// How long the record of who did what is kept: at least half a year.
	KeepRecord Duration `yaml:"keep_record"`
}

// Networks says who is who. Each entry is an address or a prefix.
type Networks struct {
	// Proxies in front of us: the only ones whose X-Forwarded-For is believed.
	Proxies []string `yaml:"proxies" example:"[10.0.0.10, 10.0.0.11]"`
	// The city's own network. Cards and phones can be bound only from here;
	// empty: nowhere.
	City []string `yaml:"city" example:"[10.0.0.0/8, 2001:db8::/32]"`
	// City gateways: many people share one address, so that they are slowed
	// down later.
	Gateways []string `yaml:"gateways" example:"[10.0.0.1]"`
}

// Log is the log.
type Log struct {
	// debug, info, warn or error.
	Level string `yaml:"level"`
	// Whether every request is logged, without addresses, names or queries.
	Access bool `yaml:"access"`
}

// Metrics is the listener of /metrics.
type Metrics struct {
	// Address of its own listener, for the operators' network. Empty: none.
	Listen string `yaml:"listen" example:"127.0.0.1:9464"`
}

// Session limits the browser's session.
type Session struct {
	// A session that was not used for so long has ended.
	Idle Duration `yaml:"idle"`
	// A session ends after this in any case.
	Absolute Duration `yaml:"absolute"`
}

// Tokens says how long codes and tokens live.
type Tokens struct {
	// What signs ID tokens; each client is registered for one of these:
	// RS256, PS256, ES256, EdDSA.
	Algorithms []string `yaml:"algorithms"`
	// An authorization code; at most 60s.
	Code Duration `yaml:"code"`
	// An access token.
	Access Duration `yaml:"access"`
	// An ID token.
	ID Duration `yaml:"id"`
	// The absolute end of refreshing, counted from the login.
	Refresh Duration `yaml:"refresh"`
	// A refresh token that was not used for so long has ended.
	RefreshIdle Duration `yaml:"refresh_idle"`
	// Within this time a client that repeats a refresh gets the same answer
	// again; later it is taken for a thief, and everything of that login ends.
	RefreshGrace Duration `yaml:"refresh_grace"`
	// How long somebody may take to log in before the relying system has to
	// ask again.
	Login Duration `yaml:"login"`
	// How long what a node knows of a token is believed without asking the store
	// again, and of a session when a system asks for a login; at most 500ms; 0s:
	// never. What the node itself ends is forgotten at once; so long a token can
	// outlive its end on another node.
	Cache Duration `yaml:"cache"`
}

// Lockout says when guessing stops.
type Lockout struct {
	// Failures that lock an account; 1 to 10.
	Failures int `yaml:"failures"`
	// Failures older than this don't add up.
	Window Duration `yaml:"window"`
	// How long a lock holds. It opens by itself.
	Duration Duration `yaml:"duration"`
	// Whether a lock also stops cards and phones, which can't be guessed. With
	// it, anybody can lock anybody out.
	All bool `yaml:"all"`
	// Distinct names that one address may fail on within source_window before
	// it has to wait; 0: no limit.
	SourceNames int `yaml:"source_names"`
	// The same for the addresses of networks.gateways.
	GatewayNames int `yaml:"gateway_names"`
	// The time in which those names are counted.
	SourceWindow Duration `yaml:"source_window"`
	// Logins that one address may begin within a minute; more are told to come
	// back. It bounds what is kept for logins that nobody ends. 0: no limit.
	Starts int `yaml:"starts"`
	// The same for the addresses of networks.gateways.
	GatewayStarts int `yaml:"gateway_starts"`
}

// Passwords is the cost of argon2id, and the rules of new passwords.
type Passwords struct {
	// Memory for one check, in KiB.
	Memory uint32 `yaml:"memory"`
	// Passes over it.
	Passes uint32 `yaml:"passes"`
	// Checks at once; 0: one for each core.
	Concurrent int `yaml:"concurrent"`
	// Logins that may wait for their check; more are told to come back.
	Waiting int `yaml:"waiting"`
	// Rules of new passwords: "baseline" (資通系統防護基準: four classes, the last three
	// refused, changed after 90 days) or "nist" (SP 800-63B-4: 15 characters, nothing else).
	Profile string `yaml:"profile"`
	// The least number of characters; at least 8. 0: the profile's own, 8 or 15.
	MinLength int `yaml:"min_length"`
	// File of leaked passwords, made by "idp passwords import". Empty: none.
	Leaked string `yaml:"leaked" example:"leaked.bin"`
	// How long a start password that an administrator gave can be used.
	StartLife Duration `yaml:"start_life"`
	// The table in which the mail system looks passwords up: mailboxes follow. (A mail
	// system with an LDAP directory is a backend of directory.backends, with accounts: [mail].)
	MailTable MailTable `yaml:"mail_table"`
}

// MailTable is a table of another system, such as that of Dovecot's SQL passdb.
// It is given argon2id hashes and never a password.
type MailTable struct {
	// File, mode 0600, with the address of its PostgreSQL database.
	PostgreSQLFile string `yaml:"postgresql_file" example:"mail-database.url"`
	// Its SQLite file, unless PostgreSQL is named. Neither: there is no such table.
	SQLite string `yaml:"sqlite" example:"/var/lib/mail/users.db"`
	// The table: TABLE or SCHEMA.TABLE.
	Table string `yaml:"table"`
	// The column with the mailbox's name, as the mail account is called here.
	Account string `yaml:"account"`
	// The column that takes the hash.
	Password string `yaml:"password"`
	// What is put before the hash. Empty: {ARGON2ID}.
	Scheme string `yaml:"scheme" example:"{ARGON2ID}"`
}

// Names are decorations of account names.
type Names struct {
	// Domains before a backslash: TPEAD\ab1234.
	Domains []string `yaml:"domains" example:"[TPEAD]"`
	// Suffixes after an at sign: ab1234@tpead.example.
	UPNSuffixes []string `yaml:"upn_suffixes" example:"[tpead.example.gov.tw]"`
}

// Cards is what is asked of natural-person cards.
type Cards struct {
	// Where the card component listens on every staff PC; http on loopback.
	// Empty: no cards.
	Agent string `yaml:"agent"`
	// Files with the pinned issuers, PEM or DER. Nothing else vouches for a card.
	Anchors []string `yaml:"anchors" example:"[cards/moica-g2.crt, cards/moica-g3.crt]"`
	// Revocation lists, kept up to date by somebody else. A card of an issuer
	// without a list in force is refused.
	CRLs []string `yaml:"crls" example:"[cards/moica-g2.crl, cards/moica-g3.crl]"`
	// How often they are looked at.
	CRLRefresh Duration `yaml:"crl_refresh"`
	// Whether the profiles of MOICA G2 and G3 are known without being listed.
	MOICA bool `yaml:"moica"`
	// Further profiles of issuers.
	Profiles []cardreader.Profile `yaml:"profiles"`
}

// Pages is what the pages say.
type Pages struct {
	// Whom to ask when something fails, in this order.
	Contacts []Contact `yaml:"contacts"`
	// Whether years are those of the Republic (115) instead of 2026.
	ROCYears bool `yaml:"roc_years"`
	// Where the card component can be downloaded. Empty: from the agency.
	AgentDownload string `yaml:"agent_download" example:"https://download.example.gov.tw/card"`
}

// Contact is somebody to ask.
type Contact struct {
	// Who it is, in Chinese.
	Name string `yaml:"name"`
	// Who it is, in English.
	NameEN string `yaml:"name_en"`
	// Telephone number, extension or web address.
	Text string `yaml:"text"`
	// The same for pages in English. Empty: as in text.
	TextEN string `yaml:"text_en"`
}
