package demo

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
)

var update = flag.Bool("update", false, "fill in missing password hashes, make the signing keys anew")

// The parameters of the embedded hashes: OWASP's second choice, 19 MiB.
const (
	hashMemory = 19456
	hashTime   = 2
	hashPrefix = "$argon2id$v=19$m=19456,t=2,p=1$"
)

func phc(password string, salt []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return hashPrefix + b64(salt) + "$" + b64(argon2.IDKey([]byte(password), salt, hashTime, hashMemory, 1, 32))
}

func TestUpdateSeeds(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	staff := mustStaff(t)
	var out bytes.Buffer
	out.WriteString("[\n")
	for i := range staff {
		if staff[i].Hash == "" {
			salt := make([]byte, 16)
			_, _ = rand.Read(salt)
			staff[i].Hash = phc(staff[i].Password, salt)
		}
		line, err := json.Marshal(staff[i])
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("  ")
		out.Write(line)
		if i < len(staff)-1 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("]\n")
	if err := os.WriteFile("seed/staff.json", out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("seed/signing.pem", makeSigningKeys(t), 0o644); err != nil {
		t.Fatal(err)
	}
}

func makeSigningKeys(t *testing.T) []byte {
	var out bytes.Buffer
	for _, k := range [][2]string{{"token", "RS256"}, {"token", "PS256"}, {"token", "ES256"}, {"token", "EdDSA"}, {"challenge", "EdDSA"}} {
		for number := 1; number <= 2; number++ {
			var key any
			var err error
			switch k[1] {
			case "RS256", "PS256":
				key, err = rsa.GenerateKey(rand.Reader, 2048)
			case "ES256":
				key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			default:
				_, key, err = ed25519.GenerateKey(rand.Reader)
			}
			if err != nil {
				t.Fatal(err)
			}
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				t.Fatal(err)
			}
			_ = pem.Encode(&out, &pem.Block{Type: "PRIVATE KEY", Bytes: der, Headers: map[string]string{
				"Use": k[0], "Algorithm": k[1], "Number": fmt.Sprint(number),
			}})
		}
	}
	return out.Bytes()
}

func mustStaff(t *testing.T) []Member {
	t.Helper()
	staff, err := Staff()
	if err != nil {
		t.Fatal(err)
	}
	return staff
}

func TestStaffAreSixtyInvented(t *testing.T) {
	staff := mustStaff(t)
	if len(staff) != 60 {
		t.Fatalf("%d staff, want 60", len(staff))
	}
	agencies := map[string]int{}
	unique := map[string]string{}
	single := regexp.MustCompile(`^[a-z]{2}[0-9]{4}$`)
	old := regexp.MustCompile(`^GE[A-Z]A-[0-9]{6}$`)
	var bound, unbound, foreign, notRenamed, two int
	for _, m := range staff {
		agencies[m.Agency]++
		for _, v := range []string{m.NationalID, m.Portal, m.Single, m.TPEAD, m.Mail, m.Password} {
			if v != "" && unique[v] != "" {
				t.Errorf("%q is of %s and of %s", v, unique[v], m.Name)
			}
			unique[v] = m.Name
		}
		switch {
		case m.Single == "":
			notRenamed++
		case m.TPEAD != "":
			two++
		}
		if m.Single != "" && !single.MatchString(m.Single) || m.TPEAD != "" && !old.MatchString(m.TPEAD) || m.Account() == "" {
			t.Errorf("%s: accounts %q and %q", m.Name, m.Single, m.TPEAD)
		}
		if !validNationalID(m.NationalID) {
			t.Errorf("%s: national ID does not add up", m.Name)
		}
		if AgencyName(m.Agency) == "" || m.Unit == "" || m.Title == "" {
			t.Errorf("%s has no post", m.Name)
		}
		if !strings.HasPrefix(m.Hash, hashPrefix) {
			t.Errorf("%s: hash %q", m.Name, m.Hash)
		}
		switch c := m.Card; {
		case c == nil:
		case c.Holder != m.Name:
			foreign++
		case c.Bound:
			bound++
		default:
			unbound++
		}
		if c := m.Card; c != nil && c.Holder == m.Name && !strings.HasSuffix(m.NationalID, c.IDTail) {
			t.Errorf("%s: the card ends in %s", m.Name, c.IDTail)
		}
	}
	if notRenamed < 3 || notRenamed > 9 || two != 1 {
		t.Errorf("%d not renamed yet, %d have two accounts", notRenamed, two)
	}
	if len(agencies) != 3 || bound < 3 || unbound < 2 || foreign != 1 {
		t.Errorf("agencies %v, cards bound %d, not bound %d, foreign %d", agencies, bound, unbound, foreign)
	}
}

func TestStaffHashesAreOfTheirPasswords(t *testing.T) {
	staff := mustStaff(t)
	step := 7 // each hash costs 20 ms
	if testing.Short() {
		step = 30
	}
	for i := 0; i < len(staff); i += step {
		salt, err := base64.RawStdEncoding.DecodeString(strings.Split(staff[i].Hash, "$")[4])
		if err != nil {
			t.Fatal(err)
		}
		if phc(staff[i].Password, salt) != staff[i].Hash {
			t.Errorf("%s: the hash is of another password", staff[i].Name)
		}
	}
}

// validNationalID checks form and check digit of a 身分證字號.
func validNationalID(id string) bool {
	const letters = "ABCDEFGHJKLMNPQRSTUVXYWZIO" // 10 to 35
	if len(id) != 10 {
		return false
	}
	n := strings.IndexByte(letters, id[0]) + 10
	if n < 10 || id[1] != '1' && id[1] != '2' {
		return false
	}
	sum := n/10 + n%10*9
	for i, weight := range []int{8, 7, 6, 5, 4, 3, 2, 1, 1} {
		if id[i+1] < '0' || id[i+1] > '9' {
			return false
		}
		sum += int(id[i+1]-'0') * weight
	}
	return sum%10 == 0
}

func TestSigningKeysHaveTheirThumbprints(t *testing.T) {
	all, err := SigningKeys()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 10 {
		t.Fatalf("%d keys, want 10", len(all))
	}
	seen := map[string]bool{}
	for _, k := range all {
		if seen[k.KID] || len(k.KID) != 43 {
			t.Errorf("%s %s %d: key ID %q", k.Use, k.Algorithm, k.Number, k.KID)
		}
		seen[k.KID] = true
	}
}
