package directory

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	idp "taipeion.internal/idp"
)

const foreignPassword = "Portal-2026!密"

// foreignHashes are of foreignPassword, made by openssl, doveadm, slappasswd and
// Python's hashlib.
var foreignHashes = map[string]HashKind{
	"$6$saltsalt16chars.$UW4vC7JJNdDqqKfSXOSMChxAzoYro0MSdd4W4CpbR4zlEzcVCEDt8Eghd64f4VvNiMjMp2uutTkqvLAyEa2Q51":                               HashCrypt,
	"$6$rounds=1000$short$m7amm5A.8vUMzPwiNVOzu8LWkj0xUPeoN54PVJzZyWCi2iV11u14JhB6Fvh3sh/A7FzJbbLjYMA4blYntPfcx1":                              HashCrypt,
	"{CRYPT}$6$rounds=2000$RgMjREw39KGNoR.W$da4HF4C69pm4vVJJFXdYebOhyb1VMPvMIhZSvGwINhyqkoqHZftoiyFnfFnU8.85jEdlYy7WTo.SrQGmwOVz7.  ":          HashCrypt,
	"$2y$05$DU8bRqsB2qn4A6jlXkJpj.JVEY/fQ/cVERSQkeNEW38K8pcBqb/fu":                                                                             HashBcrypt,
	"{SSHA}0y77AhWxorbGTuoB3lZavVy/ScEaVdGE":                                                                                                   HashSSHA,
	"{SSHA}VCkywAUEVdjN5kgLsxg4NJMtRHBJL9Nv":                                                                                                   HashSSHA,
	"{SSHA256}5Yq2Uc+RzpmRFTezt2XyxvwNxIPh52nhPz9pnixj+4fLieuH":                                                                                HashSSHA,
	"{SSHA512}6/8ugt7X7/Tx5lGBOfv4dsqg6tE99qDLrlu5aBucsKQ7frHxRd0c6zmHtNJn1TCSDWn8xuJv85lY4wfP+aidZ6oJpV8=":                                    HashSSHA,
	"$pbkdf2-sha256$i=1200,l=32$L68NnlLN7wmrsCIo591gIA$eopVpVZz0en4JyyJ/pVDsLNdRnotxiz9aNePO+3vK4I":                                            HashPBKDF2,
	"$pbkdf2-sha256$1200$L68NnlLN7wmrsCIo591gIA$eopVpVZz0en4JyyJ/pVDsLNdRnotxiz9aNePO.3vK4I":                                                   HashPBKDF2,
	"pbkdf2_sha256$1200$saltOfDjango22$LuZxNjSXFWnY/hDBkZHmLGVy89LbVYjZQvG2kGNVRxY=":                                                           HashPBKDF2,
	"$pbkdf2-sha512$i=1200,l=64$YZmEn/UWe+YtQZGLv9gggw$V00nFL6/2vW3eXIZMgdeQ8Z27maxV6vqfIpXPuKEkZ1nggC4pdDs119vnF7LUVuhI49Bi6N2uUc6wBTOLXAN4g": HashPBKDF2,
	"$pbkdf2-sha512$1200$YZmEn/UWe.YtQZGLv9gggw$V00nFL6/2vW3eXIZMgdeQ8Z27maxV6vqfIpXPuKEkZ1nggC4pdDs119vnF7LUVuhI49Bi6N2uUc6wBTOLXAN4g":        HashPBKDF2,
	"pbkdf2_sha512$1200$saltOfDjango22$TzFG39drhwxXXlvFWVCjm/B3IiqC4J0d0P7B5PERrzFT8m9d54uq8LzdbM0i7tjyf7nnTN/TvNkAww1+4kOR8A==":               HashPBKDF2,
	"$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "made in the test":                                                                 HashArgon2id,
}

func TestForeign_HashesOfRealSystems(t *testing.T) {
	h := NewHasher(HasherOptions{Memory: 64, Time: 1})
	for text, kind := range foreignHashes {
		if kind == HashArgon2id {
			var err error
			if text, err = h.Hash(t.Context(), foreignPassword); err != nil {
				t.Fatal(err)
			}
		}
		f, err := parseForeign(text)
		if err != nil || f.kind != kind {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for password, right := range map[string]bool{
			foreignPassword: true, foreignPassword + "x": false, foreignPassword[:len(foreignPassword)-3]: false, "": false, text: false,
		} {
			if f.is(password) != right {
				t.Errorf("%s: %q is %v", text, password, !right)
			}
		}
	}
	for kind, text := range examples {
		f, err := parseForeign(text)
		if err != nil || f.kind != kind || f.is("") {
			t.Errorf("the example of %s: %v", kind, err)
		}
	}
}

func TestForeign_NothingElseIsAHash(t *testing.T) {
	for _, text := range []string{
		"", "Portal-2026!", "{PLAIN}secret", "{CLEARTEXT}secret", "5f4dcc3b5aa765d61d8327deb882cf99", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
		"{MD5}X03MO1qnZdYdgyfeuILPmQ==", "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "{SSHA}!", "{SSHA384}AAAA", "$1$salt$hash", "$5$salt$hash", "$6$salt$short", "$6$$" + strings.Repeat("a", 86),
		"$6$rounds=999999999$salt$" + strings.Repeat("a", 86), "$2x$05$DU8bRqsB2qn4A6jlXkJpj.JVEY/fQ/cVERSQkeNEW38K8pcBqb/fu",
		"$2y$15$DU8bRqsB2qn4A6jlXkJpj.JVEY/fQ/cVERSQkeNEW38K8pcBqb/fu", "$2y$31$DU8bRqsB2qn4A6jlXkJpj.JVEY/fQ/cVERSQkeNEW38K8pcBqb/fu", "$2y$05$short",
		"$argon2id$v=19$m=1048576,t=5,p=1$66OhkdHbL07XVtrQE/VMug$ccKW/cYqCFH4Fs7xNGSr/4yVDvux7vesqEzuChkHQAI", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA",
		"$pbkdf2-sha256$i=4000000,l=32$L68NnlLN7wmrsCIo591gIA$eopVpVZz0en4JyyJ/pVDsLNdRnotxiz9aNePO+3vK4I", "$pbkdf2-md5$1$AAAAAAAAAAAAAAAA$AAAA",
		"$pbkdf2-sha256$i=1200,l=31$L68NnlLN7wmrsCIo591gIA$eopVpVZz0en4JyyJ/pVDsLNdRnotxiz9aNePO+3vK4I", "pbkdf2_sha256$0$saltOfDjango22$LuZxNjSXFWnY/hDBkZHmLGVy89LbVYjZQvG2kGNVRxY=",
		"pbkdf2_sha256$-1$saltOfDjango22$LuZxNjSXFWnY/hDBkZHmLGVy89LbVYjZQvG2kGNVRxY=", "pbkdf2_sha256$1200$salt$", "*LK*", "!", "x",
	} {
		if f, err := parseForeign(text); err == nil {
			t.Errorf("%q was taken for %s", text, f.kind)
		}
	}
}

// TestT068_BcryptTruncatesNothing has a hash whose password is longer than what
// bcrypt looks at: what is not looked at can't be right.
func TestT068_BcryptTruncatesNothing(t *testing.T) {
	long := strings.Repeat("Ab1!", 18) // 72 bytes
	hash, err := bcrypt.GenerateFromPassword([]byte(long), 4)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseForeign(string(hash))
	if err != nil {
		t.Fatal(err)
	}
	if !f.is(long) || f.is(long+"x") || f.is(long[:71]) {
		t.Error("72 bytes are not looked at exactly")
	}
}

// rows is a table of hashes; a nil error function never fails.
type rows struct {
	hashes map[string]string
	fail   error
	asked  int
}

func (r *rows) Hash(ctx context.Context, account string) (string, error) {
	r.asked++
	if r.fail != nil {
		return "", r.fail
	}
	h, ok := r.hashes[account]
	if !ok {
		return "", idp.ErrNotFound
	}
	return h, nil
}

func TestForeign_AnswersAndCosts(t *testing.T) {
	made, err := bcrypt.GenerateFromPassword([]byte(foreignPassword), 9)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	table := &rows{hashes: map[string]string{"wang": string(made), "plain": foreignPassword}}
	f, err := NewForeign(table, HashBcrypt, time.Second, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	f.Hasher = NewHasher(HasherOptions{})
	check := func(name, password string) error {
		return f.Check(t.Context(), idp.Account{Name: name, Kind: idp.AccountPortal, PersonID: "p-" + name}, password)
	}
	if err := check("wang", foreignPassword); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wang", "plain", "nobody"} {
		password := map[bool]string{true: "Wrong-2026!", false: foreignPassword}[name == "wang"]
		if err := check(name, password); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.Check(t.Context(), idp.Account{Name: "wang", Kind: idp.AccountPortal}, foreignPassword); !errors.Is(err, ErrWrong) {
		t.Errorf("nobody's account: %v", err)
	}
	if !strings.Contains(log.String(), "p-plain") || strings.Contains(log.String(), foreignPassword) {
		t.Errorf("the log says %s", &log)
	}
	known, unknown := time.Hour, time.Hour
	alike := func() bool { return unknown >= known*7/10 && unknown <= known*14/10 }
	for round := 0; round < 5 || round < 30 && !alike(); round++ { // the quickest: whatever else this machine does is not meant
		for name, best := range map[string]*time.Duration{"wang": &known, "nobody": &unknown} {
			started := time.Now()
			_ = check(name, "Wrong-2026!")
			*best = min(*best, time.Since(started))
		}
	}
	if !alike() {
		t.Errorf("known %v, unknown %v", known, unknown)
	}
	table.fail = idp.ErrUnavailable
	if err := check("wang", foreignPassword); !errors.Is(err, ErrNotLooked) || !errors.Is(err, idp.ErrUnavailable) {
		t.Errorf("an unreachable table: %v", err)
	}
	table.fail = idp.ErrConflict
	if err := check("wang", foreignPassword); !errors.Is(err, ErrWrong) {
		t.Errorf("twice in the table: %v", err)
	}
	f.Hasher = NewHasher(HasherOptions{Concurrent: 1, Waiting: 1, Wait: time.Millisecond})
	leave, err := f.Hasher.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	table.fail = nil
	if err := check("wang", foreignPassword); !errors.Is(err, ErrNotLooked) || !errors.Is(err, idp.ErrOverloaded) {
		t.Errorf("all busy: %v", err)
	}
	if _, err := NewForeign(table, "md5", time.Second, nil); err == nil {
		t.Error("md5 is no kind")
	}
}
