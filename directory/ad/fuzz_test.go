package ad

import (
	"bytes"
	"io"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// FuzzAnswer reads any bytes as the answer to a bind: only a BindResponse to
// message 1 with result code 0 is a success.
func FuzzAnswer(f *testing.F) {
	good := []byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00}
	f.Add(good)
	f.Add([]byte{0x30, 0x0c, 0x02, 0x01, 0x02, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00})
	f.Add([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff})
	f.Add([]byte{0x30, 0x80, 0x30, 0x80, 0x30, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ber.ReadPacket(io.LimitReader(bytes.NewReader(data), maxPacket))
		if err != nil {
			return
		}
		code, diagnostic, err := result(p, 1, ldap.ApplicationBindResponse)
		if err != nil {
			return
		}
		if verdict(code, diagnostic) == nil {
			op := p.Children[1]
			if code != 0 || op.Tag != ldap.ApplicationBindResponse || op.ClassType != ber.ClassApplication {
				t.Fatalf("%x is taken for a success", data)
			}
		}
	})
}

// FuzzNames reads any text as range, sub-code, identity and account name.
func FuzzNames(f *testing.F) {
	f.Add("member;range=0-1499")
	f.Add("AcceptSecurityContext error, data 52e, v4563")
	f.Add("00112233-4455-6677-8899-aabbccddeeff")
	d := &Directory{o: Options{Base: "DC=x", NameAttribute: "sAMAccountName"}}
	f.Fuzz(func(t *testing.T, s string) {
		if ranged, next := parseRange(s, -1); ranged && next < -1 {
			t.Fatalf("%q goes on at %d", s, next)
		}
		subcode(s)
		if b, err := guidBytes(s); err == nil {
			again, err := guidBytes(guidText(b))
			if err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%q does not come back", s)
			}
		}
		if filter, err := ldap.CompileFilter(d.byName(s)); err != nil || filter.Tag != ldap.FilterEqualityMatch && s != "" {
			t.Fatalf("%q: %v, %v", s, filter, err)
		}
		if d.checkName(s) == nil {
			dn, err := ldap.ParseDN("CN=" + ldap.EscapeDN(s) + ",DC=x")
			if err != nil || len(dn.RDNs) != 2 || len(dn.RDNs[0].Attributes) != 1 || dn.RDNs[0].Attributes[0].Value != s {
				t.Fatalf("%q: %v, %v", s, dn, err)
			}
		}
	})
}
