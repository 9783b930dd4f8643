package directory

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-crypt/x/crypt"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// HashKind is how another system keeps passwords.
type HashKind string

// The kinds that are checked. Nothing else is, and plain text least of all.
const (
	HashArgon2id HashKind = "argon2id"     // $argon2id$v=19$m=...,t=...,p=...$salt$key
	HashBcrypt   HashKind = "bcrypt"       // $2a$, $2b$, $2y$
	HashPBKDF2   HashKind = "pbkdf2"       // $pbkdf2-sha256$..., $pbkdf2-sha512$..., pbkdf2_sha256$...
	HashSSHA     HashKind = "ssha"         // {SSHA}, {SSHA256}, {SSHA512}
	HashCrypt    HashKind = "sha512-crypt" // $6$, also behind {CRYPT}
)

// Bounds on what a hash of another system may cost us.
const (
	foreignMemory = 1 << 18 // KiB of argon2id
	foreignTime   = 10
	maxBcrypt     = 14
	maxPBKDF2     = 3_000_000
	maxRounds     = 1_000_000
	bcryptBytes   = 72 // it looks at no more of a password
)

// foreign is a hash that another system made.
type foreign struct {
	kind HashKind
	is   func(password string) bool // constant time where there is something to compare
}

var errForeign = errors.New("not a hash of a kind that is checked, or one that costs too much")

// parseForeign reads a hash of another system.
func parseForeign(s string) (*foreign, error) {
	s = strings.TrimRight(s, " ") // a column of fixed width
	if rest, ok := strings.CutPrefix(s, "{CRYPT}"); ok {
		s = rest
	}
	switch {
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon2id(s)
	case strings.HasPrefix(s, "$2"):
		return parseBcrypt(s)
	case strings.HasPrefix(s, "$pbkdf2-"), strings.HasPrefix(s, "pbkdf2_"):
		return parsePBKDF2(s)
	case strings.HasPrefix(s, "{SSHA"):
		return parseSSHA(s)
	case strings.HasPrefix(s, "$6$"):
		return parseCrypt(s)
	}
	return nil, errForeign
}

// derived is a hash that is made anew to compare it.
func derived(kind HashKind, key []byte, derive func(password string) []byte) *foreign {
	return &foreign{kind, func(password string) bool { return subtle.ConstantTimeCompare(derive(password), key) == 1 }}
}

func parseArgon2id(s string) (*foreign, error) {
	p, err := parsePHC(s)
	if err != nil || p.memory > foreignMemory || p.time > foreignTime {
		return nil, errForeign
	}
	return derived(HashArgon2id, p.key, func(password string) []byte {
		return argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.lanes, uint32(len(p.key)))
	}), nil
}

var bcryptForm = regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

func parseBcrypt(s string) (*foreign, error) {
	cost, err := bcrypt.Cost([]byte(s))
	if err != nil || !bcryptForm.MatchString(s) || cost > maxBcrypt {
		return nil, errForeign
	}
	return &foreign{HashBcrypt, func(password string) bool {
		err := bcrypt.CompareHashAndPassword([]byte(s), []byte(password))
		return err == nil && len(password) <= bcryptBytes // whatever is longer was never looked at whole
	}}, nil
}

// parsePBKDF2 reads the form of the PHC strings ($pbkdf2-sha256$i=1000,l=32$...),
// of passlib ($pbkdf2-sha256$1000$...) and of Django (pbkdf2_sha256$1000$...).
func parsePBKDF2(s string) (*foreign, error) {
	django := !strings.HasPrefix(s, "$")
	f := strings.Split(strings.TrimPrefix(s, "$"), "$")
	if len(f) != 4 {
		return nil, errForeign
	}
	var digest func() hash.Hash
	switch f[0] {
	case "pbkdf2-sha256", "pbkdf2_sha256":
		digest = sha256.New
	case "pbkdf2-sha512", "pbkdf2_sha512":
		digest = sha512.New
	default:
		return nil, errForeign
	}
	rounds, length, err := pbkdf2Cost(f[1])
	if err != nil {
		return nil, err
	}
	salt, key := []byte(f[2]), []byte(nil)
	if !django {
		if salt, err = decode64(f[2]); err != nil {
			return nil, errForeign
		}
	}
	key, err = decode64(f[3])
	if err != nil || len(salt) < 8 || len(key) < 20 || len(key) > 64 || length != 0 && length != len(key) {
		return nil, errForeign
	}
	return derived(HashPBKDF2, key, func(password string) []byte {
		made, err := pbkdf2.Key(digest, password, salt, rounds, len(key))
		if err != nil {
			return nil
		}
		return made
	}), nil
}

// pbkdf2Cost reads "29000", or "i=29000,l=32".
func pbkdf2Cost(s string) (rounds, length int, err error) {
	if rest, ok := strings.CutPrefix(s, "i="); ok {
		first, second, both := strings.Cut(rest, ",")
		s = first
		if both {
			if length, err = strconv.Atoi(strings.TrimPrefix(second, "l=")); err != nil || length <= 0 {
				return 0, 0, errForeign
			}
		}
	}
	if rounds, err = strconv.Atoi(s); err != nil || rounds < 1 || rounds > maxPBKDF2 {
		return 0, 0, errForeign
	}
	return rounds, length, nil
}

// decode64 reads base64 with and without padding, and with passlib's dot for
// the plus sign.
func decode64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.ReplaceAll(strings.TrimRight(s, "="), ".", "+"))
}

// parseSSHA reads salted SHA-1 and SHA-2 as LDAP servers keep them.
func parseSSHA(s string) (*foreign, error) {
	scheme, text, _ := strings.Cut(strings.TrimPrefix(s, "{"), "}")
	digest := map[string]func() hash.Hash{"SSHA": sha1.New, "SSHA256": sha256.New, "SSHA512": sha512.New}[scheme]
	if digest == nil {
		return nil, errForeign
	}
	raw, err := decode64(text)
	size := digest().Size()
	if err != nil || len(raw) < size+4 || len(raw) > size+64 {
		return nil, errForeign
	}
	key, salt := raw[:size], raw[size:]
	return derived(HashSSHA, key, func(password string) []byte {
		h := digest()
		h.Write([]byte(password))
		h.Write(salt)
		return h.Sum(nil)
	}), nil
}

var cryptForm = regexp.MustCompile(`^\$6\$(?:rounds=([0-9]{1,9})\$)?([^$:\n]{1,16})\$([./0-9A-Za-z]{86})$`)

func parseCrypt(s string) (*foreign, error) {
	m := cryptForm.FindStringSubmatch(s)
	if m == nil {
		return nil, errForeign
	}
	rounds := 5000
	if m[1] != "" {
		rounds, _ = strconv.Atoi(m[1]) // digits only
		rounds = max(rounds, 1000)
	}
	if rounds > maxRounds {
		return nil, errForeign
	}
	salt, key := []byte(m[2]), []byte(m[3])
	return derived(HashCrypt, key, func(password string) []byte {
		return crypt.KeySHACrypt(sha512.New, []byte(password), salt, rounds)
	}), nil
}

// examples are hashes of passwords that nobody knows, at the usual costs: what an
// account without one is held against until a real one was seen.
var examples = map[HashKind]string{
	HashArgon2id: "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	HashBcrypt:   "$2b$10$" + strings.Repeat(".", 53),
	HashPBKDF2:   "pbkdf2_sha256$600000$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	HashSSHA:     "{SSHA512}" + strings.Repeat("A", 96),
	HashCrypt:    "$6$AAAAAAAAAAAAAAAA$" + strings.Repeat(".", 86),
}
