package ad_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

const (
	serviceDN = "CN=svc,DC=tpead,DC=test"
	userDN    = "CN=ab1234,DC=tpead,DC=test"
)

// user is an ordinary entry of Active Directory.
func user(name string, guid byte) map[string][]string {
	return map[string][]string{
		"sAMAccountName": {name}, "objectGUID": {string(bytes.Repeat([]byte{guid}, 16))}, "userAccountControl": {"512"},
		"objectClass": {"top", "person", "organizationalPerson", "user"},
	}
}

// script starts a server that lets the service account in, and has one entry;
// what handles returns true for was handled.
func script(t testing.TB, handles func(c *testenv.LDAPCall) bool, change ...func(*testenv.LDAPScriptOptions)) *testenv.LDAPScript {
	o := testenv.LDAPScriptOptions{Handle: func(c *testenv.LDAPCall) {
		switch {
		case c.Op == testenv.LDAPBind && c.Name == serviceDN:
			c.Done(0, "")
		case handles(c):
		case c.Op == testenv.LDAPBind && c.Name == userDN && c.Password == rightPassword:
			c.Done(0, "")
		case c.Op == testenv.LDAPBind:
			c.Done(49, refusal(0x52e))
		case c.Op == testenv.LDAPSearch:
			if strings.Contains(c.Filter, `(sAMAccountName="ab1234")`) || strings.Contains(c.Filter, "(objectGUID=") {
				c.Entry(userDN, user("ab1234", 1))
			}
			c.Done(0, "")
		default:
			c.Done(0, "")
		}
	}}
	for _, f := range change {
		f(&o)
	}
	return testenv.ScriptLDAP(t, o)
}

func refusal(sub int) string {
	return fmt.Sprintf("80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data %x, v4563\x00", sub)
}

// patient is for answers that take a busy machine its time.
func patient(o *ad.Options) { o.Answer, o.Login = 20*time.Second, 30*time.Second }

func plainly(*testenv.LDAPCall) bool { return false }

// joined opens a directory over scripted servers.
func joined(t testing.TB, change func(*ad.Options), servers ...*testenv.LDAPScript) *ad.Directory {
	t.Helper()
	o := ad.Options{
		Name: "script", CA: x509.NewCertPool(), BindDN: serviceDN, Secret: "service", Base: "DC=tpead,DC=test",
		Connect: 500 * time.Millisecond, Answer: 500 * time.Millisecond, Login: 1500 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, s := range servers {
		o.Servers = append(o.Servers, "ldaps://"+s.Address)
		o.CA.AppendCertsFromPEM(s.CA)
	}
	if change != nil {
		change(&o)
	}
	d, err := ad.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestT053_NoBindForAnEmptyPassword(t *testing.T) {
	s := script(t, plainly)
	d := joined(t, nil, s)
	for _, password := range []string{"", " ", "\u3000", "\x00", "a\x00b", strings.Repeat("x", 1025)} {
		check(t, d, "ab1234", password, "wrong")
	}
	if n := s.Connections(); n != 0 {
		t.Errorf("%d connections", n)
	}
	for _, password := range []string{"", "\x00"} {
		if err := d.SetPassword(t.Context(), "01010101-0101-0101-0101-010101010101", password, false); err == nil {
			t.Errorf("password %q was set", password)
		}
	}
}

// payloads are names that would be filter or DN syntax, or match loosely.
func payloads() []string {
	list := []string{
		"*", "a*", "ab1234*", "*)(uid=*", "*)(objectClass=*", "ab1234)(&)", "ab1234)(|(cn=*", "(", ")", "))((", `\`, `\2a`, `\\`, "ab1234\\", "&", "|", "!",
		"(|(a=b)(c=d))", "ab1234)(userPassword=*)", "ab1234,DC=x", `ab1234"`, "ab1234#", "#ab1234", "ab1234+cn=x", "ab1234;", "ab1234<", "ab1234>", "ab1234=",
		"/ab1234", "ab1234/", "ab1234 ", " ab1234", "ab1234\t", "ab1234\r\n", "ab1234\v", "ａｂ１２３４", "áb1234", "a\u0301b1234", "аb1234", "ab1234\u200b",
		"ab1234\u00ad", "AB1234$", "ab1234%00", "ab1234%29", "${ab1234}", "ab1234' or '1'='1", "<ab1234>", "ab1234\\29", "ab1234\\00", "\\61b1234",
		"objectGUID=*", "sAMAccountName=ab1234", "1.2.840.113556.1.4.803:=2", "ab1234:dn:", "王大明", "𠮷", "ab1234\U000e0001", strings.Repeat("(", 200),
		strings.Repeat("ab", 120), "cn=ab1234,dc=tpead,dc=test", "..", "ab1234)\n(cn=*",
	}
	return list
}

func TestT054_FilterPayloadsStayValues(t *testing.T) {
	s := script(t, plainly)
	d := joined(t, nil, s)
	list := payloads()
	if len(list) < 60 {
		t.Fatalf("%d payloads", len(list))
	}
	for _, name := range list {
		before := len(s.Calls())
		a := idp.Account{Name: name, Kind: idp.AccountSingle, PersonID: "p"}
		if got := outcome(d.Check(t.Context(), a, rightPassword)); got != "wrong" {
			t.Errorf("%q: %s", name, got)
		}
		want := fmt.Sprintf(`(&(objectCategory="person")(objectClass="user")(sAMAccountName=%q))`, name)
		for _, c := range s.Calls()[before:] {
			if c.Op == testenv.LDAPSearch && c.Filter != want {
				t.Errorf("%q: the directory saw %s", name, c.Filter)
			}
			if c.Op == testenv.LDAPBind && c.Name == userDN {
				t.Errorf("%q: a bind as somebody else", name)
			}
		}
	}
}

func TestT054_LooseMatchesAreRefused(t *testing.T) {
	// Active Directory finds "áb1234" under "ab1234", and the other way round.
	s := script(t, func(c *testenv.LDAPCall) bool {
		if c.Op != testenv.LDAPSearch {
			return false
		}
		c.Entry(userDN, user("áb1234", 1))
		c.Done(0, "")
		return true
	})
	check(t, joined(t, nil, s), "ab1234", rightPassword, "wrong")
	if s.Binds(serviceDN) != 1 { // the decoy
		t.Errorf("binds: %d", s.Binds(serviceDN))
	}
}

func TestT056_ExactlyOneEntry(t *testing.T) {
	for _, n := range []int{0, 2, 1000} {
		s := script(t, func(c *testenv.LDAPCall) bool {
			if c.Op != testenv.LDAPSearch {
				return false
			}
			for i := range n {
				c.Entry(fmt.Sprintf("CN=ab1234,OU=u%d,DC=tpead,DC=test", i), user("ab1234", byte(i)))
			}
			c.Done(0, "")
			return true
		})
		d := joined(t, patient, s)
		check(t, d, "ab1234", rightPassword, "wrong")
		for _, c := range s.Calls() {
			if c.Op == testenv.LDAPBind && c.Name != serviceDN && c.Password == rightPassword {
				t.Errorf("%d entries: the password went out", n)
			}
		}
		_, err := d.Find(t.Context(), "ab1234")
		if want := map[bool]error{true: idp.ErrNotFound, false: ad.ErrAmbiguous}[n == 0]; !errors.Is(err, want) {
			t.Errorf("%d entries: %v", n, err)
		}
	}
}

func TestT057_ReferralsAreNotFollowed(t *testing.T) {
	other := script(t, plainly)
	uri := "ldaps://" + other.Address + "/DC=tpead,DC=test"
	for name, test := range map[string]struct {
		op       int
		want     string
		referral bool
	}{
		"search": {testenv.LDAPSearch, "not looked", true}, "bind": {testenv.LDAPBind, "not looked", true},
		"only a reference": {testenv.LDAPSearch, "wrong", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, func(c *testenv.LDAPCall) bool {
				switch {
				case c.Op != test.op:
					return false
				case test.referral:
					c.Referral(uri)
				default:
					c.Reference(uri)
					c.Done(0, "")
				}
				return true
			})
			d := joined(t, func(o *ad.Options) { o.CA.AppendCertsFromPEM(other.CA) }, s)
			check(t, d, "ab1234", rightPassword, test.want)
		})
	}
	beside := script(t, func(c *testenv.LDAPCall) bool {
		if c.Op == testenv.LDAPSearch {
			c.Reference(uri)
		}
		return false
	})
	check(t, joined(t, nil, beside), "ab1234", rightPassword, "ok")
	if n := other.Connections(); n != 0 {
		t.Errorf("%d connections to the other server", n)
	}
}

func TestT058_NothingIsSentWithoutGoodTLS(t *testing.T) {
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	wrongHost := func(c *x509.Certificate) {
		c.IPAddresses, c.DNSNames = []net.IP{net.IPv4(10, 1, 1, 1)}, []string{"other.test"}
	}
	client := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	for name, test := range map[string]struct {
		change   func(*x509.Certificate)
		startTLS bool
		refuse   bool
		selfMade bool
	}{
		"expired": {change: expired}, "wrong host": {change: wrongHost}, "not a server": {change: client}, "another authority": {selfMade: true},
		"StartTLS expired": {change: expired, startTLS: true}, "StartTLS refused": {startTLS: true, refuse: true},
		"StartTLS another authority": {startTLS: true, selfMade: true}, "StartTLS wrong host": {change: wrongHost, startTLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, func(c *testenv.LDAPCall) bool {
				if c.Op == testenv.LDAPExtended {
					c.Done(map[bool]int64{true: 52}[test.refuse], "")
					if test.refuse {
						c.Close()
					}
					return true
				}
				return false
			}, func(o *testenv.LDAPScriptOptions) { o.Change, o.StartTLS = test.change, test.startTLS })
			d := joined(t, func(o *ad.Options) {
				if test.startTLS {
					o.Servers = []string{"ldap://" + s.Address}
				}
				if test.selfMade {
					another, err := testenv.NewAuthority("Scripted CA")
					if err != nil {
						t.Fatal(err)
					}
					o.CA = pool(another.PEM)
				}
			}, s)
			check(t, d, "ab1234", rightPassword, "not looked")
			for _, c := range s.Calls() {
				if c.Op != testenv.LDAPExtended {
					t.Errorf("operation %d was sent", c.Op)
				}
			}
		})
	}
	good := script(t, plainly, func(o *testenv.LDAPScriptOptions) { o.StartTLS = true })
	d := joined(t, func(o *ad.Options) { o.Servers = []string{"ldap://" + good.Address} }, good)
	check(t, d, "ab1234", rightPassword, "ok")
	for _, c := range good.Calls() {
		if !c.Secure && c.Op != testenv.LDAPExtended {
			t.Errorf("operation %d in the clear", c.Op)
		}
	}
	for _, bad := range []string{"http://h", "ldapi:///x", "h:636", "ldaps://", "ldaps://u:p@h", "ldaps://h/DC=x"} {
		if _, err := ad.New(ad.Options{Servers: []string{bad}, CA: x509.NewCertPool(), BindDN: serviceDN, Secret: "s", Base: "DC=x"}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestT059_AnswersToABind(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(c *testenv.LDAPCall)
		want   string
		sub    uint32
	}{
		"525": {sub: 0x525, want: "wrong"}, "52e": {sub: 0x52e, want: "wrong"}, "52f": {sub: 0x52f, want: "disabled"}, "530": {sub: 0x530, want: "disabled"},
		"531": {sub: 0x531, want: "disabled"}, "532": {sub: 0x532, want: "must change"}, "533": {sub: 0x533, want: "disabled"},
		"701": {sub: 0x701, want: "disabled"}, "773": {sub: 0x773, want: "must change"}, "775": {sub: 0x775, want: "locked"},
		"another sub-code": {sub: 0x999, want: "wrong"},
		"no sub-code":      {answer: func(c *testenv.LDAPCall) { c.Done(49, "") }, want: "wrong"},
		"busy":             {answer: func(c *testenv.LDAPCall) { c.Done(51, "") }, want: "not looked"},
		"unavailable":      {answer: func(c *testenv.LDAPCall) { c.Done(52, "") }, want: "not looked"},
		"unwilling":        {answer: func(c *testenv.LDAPCall) { c.Done(53, "") }, want: "lost"},
		"operations error": {answer: func(c *testenv.LDAPCall) { c.Done(1, "") }, want: "lost"},
		"SASL in progress": {answer: func(c *testenv.LDAPCall) { c.Done(14, "") }, want: "lost"},
		"truncated": {answer: func(c *testenv.LDAPCall) {
			b := c.Message(c.ID, c.Result(1, 0, ""))
			c.Raw(b[:len(b)-3])
			c.Close()
		}, want: "unchanged"},
		"another message's": {answer: func(c *testenv.LDAPCall) { c.Raw(c.Message(c.ID+1, c.Result(1, 0, ""))) }, want: "unchanged"},
		"message 0":         {answer: func(c *testenv.LDAPCall) { c.Raw(c.Message(0, c.Result(1, 0, ""))) }, want: "unchanged"},
		"another operation": {answer: func(c *testenv.LDAPCall) { c.Raw(c.Message(c.ID, c.Result(5, 0, ""))) }, want: "unchanged"},
		"closed":            {answer: func(c *testenv.LDAPCall) { c.Close() }, want: "unchanged"},
		"noise":             {answer: func(c *testenv.LDAPCall) { c.Raw([]byte("HTTP/1.1 200 OK\r\n\r\n")); c.Close() }, want: "unchanged"},
		"too long":          {answer: func(c *testenv.LDAPCall) { c.Raw([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}); c.Close() }, want: "unchanged"},
		"30 s":              {answer: func(c *testenv.LDAPCall) { c.Sleep(3 * time.Second); c.Close() }, want: "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script(t, func(c *testenv.LDAPCall) bool {
				if c.Op != testenv.LDAPBind {
					return false
				}
				if test.sub != 0 {
					c.Done(49, refusal(int(test.sub)))
				} else {
					test.answer(c)
				}
				return true
			})
			second := script(t, plainly)
			d := joined(t, nil, s, second)
			want := test.want
			if want == "unchanged" {
				want = "not looked" // the directory's own count did not move
			}
			var err error
			within(t, 2*time.Second, func() { err = check(t, d, "ab1234", rightPassword, want) })
			if n := s.Binds(serviceDN) + second.Binds(serviceDN); n != 1 {
				t.Errorf("the password was sent %d times", n)
			}
			var state *ad.StateError
			if known := errors.As(err, &state); known && state.Subcode != test.sub {
				t.Errorf("sub-code %x", state.Subcode)
			}
		})
	}
}

func TestT067_MachinesAndServicesDoNotLogIn(t *testing.T) {
	for name, change := range map[string]func(map[string][]string){
		"machine":         func(e map[string][]string) { e["userAccountControl"] = []string{"4096"} },
		"computer class":  func(e map[string][]string) { e["objectClass"] = append(e["objectClass"], "computer") },
		"domain trust":    func(e map[string][]string) { e["userAccountControl"] = []string{"2080"} },
		"managed service": func(e map[string][]string) { e["objectClass"] = []string{"msDS-GroupManagedServiceAccount"} },
		"with an SPN":     func(e map[string][]string) { e["servicePrincipalName"] = []string{"HTTP/www"} },
		"the system's":    func(e map[string][]string) { e["isCriticalSystemObject"] = []string{"TRUE"} },
	} {
		e := user("ab1234", 1)
		change(e)
		s := script(t, func(c *testenv.LDAPCall) bool {
			if c.Op != testenv.LDAPSearch {
				return false
			}
			c.Entry(userDN, e)
			c.Done(0, "")
			return true
		})
		if got := outcome(joined(t, nil, s).Check(t.Context(), account("ab1234"), rightPassword)); got != "wrong" {
			t.Errorf("%s: %s", name, got)
		}
		for _, c := range s.Calls() {
			if c.Op == testenv.LDAPBind && c.Password == rightPassword {
				t.Errorf("%s: the password went out", name)
			}
		}
	}
}

func TestNobodysNameTakesTheSameWay(t *testing.T) {
	s := script(t, plainly)
	d := joined(t, nil, s)
	ops := func(a idp.Account) string {
		before := len(s.Calls())
		if got := outcome(d.Check(t.Context(), a, "Wrong-2026!")); got != "wrong" {
			t.Error(got)
		}
		var b strings.Builder
		for _, c := range s.Calls()[before:] {
			fmt.Fprint(&b, c.Op, " ")
		}
		return b.String()
	}
	ops(account("ab1234")) // opens the service connection
	known, unknown, nobody := ops(account("ab1234")), ops(account("zz9999")), ops(idp.Account{Name: "ab1234", Kind: idp.AccountSingle})
	if known != unknown || known != nobody {
		t.Errorf("known %s, unknown %s, nobody %s", known, unknown, nobody)
	}
}
