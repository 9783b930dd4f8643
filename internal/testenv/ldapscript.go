package testenv

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// LDAPScript is an LDAP server by TLS that answers what the test says.
type LDAPScript struct {
	Address string // host:port
	CA      []byte // PEM

	handle func(*LDAPCall)
	mu     sync.Mutex
	calls  []LDAPCall
	conns  int
}

// LDAPScriptOptions change how the server is. The zero value is LDAPS with a
// good certificate.
type LDAPScriptOptions struct {
	StartTLS bool                    // plain at first; Handle answers the extended request
	Change   func(*x509.Certificate) // of the server's certificate
	Handle   func(*LDAPCall)
}

// The operations (RFC 4511): the tags of their requests.
const (
	LDAPBind     = 0
	LDAPUnbind   = 2
	LDAPSearch   = 3
	LDAPModify   = 6
	LDAPExtended = 23
)

// LDAPCall is one request, to be answered by its methods.
type LDAPCall struct {
	ID         int64
	Op         int
	Name       string // bind: the DN; search: the base; extended: the OID
	Password   string // bind
	Filter     string // search: as text, the values as they came over the wire, quoted
	Attributes []string
	Secure     bool // it came by TLS
	Cookie     string

	conn net.Conn
	last *error
}

// ScriptLDAP starts the server; it ends with the test.
func ScriptLDAP(t testing.TB, o LDAPScriptOptions) *LDAPScript {
	t.Helper()
	authority, err := NewAuthority("Scripted CA")
	if err != nil {
		t.Fatal(err)
	}
	change := o.Change
	if change == nil {
		change = func(*x509.Certificate) {}
	}
	cert, key, err := authority.Issue("script.test", change)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &LDAPScript{Address: listener.Addr().String(), CA: authority.PEM, handle: o.Handle}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	var open sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
			open.Go(func() {
				s.serve(conn, config, o.StartTLS)
				mu.Lock()
				delete(conns, conn)
				mu.Unlock()
			})
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
	})
	return s
}

// Calls are the requests that came so far.
func (s *LDAPScript) Calls() []LDAPCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]LDAPCall(nil), s.calls...)
}

// Binds counts the binds that were not of that name.
func (s *LDAPScript) Binds(but string) (n int) {
	for _, c := range s.Calls() {
		if c.Op == LDAPBind && c.Name != but {
			n++
		}
	}
	return n
}

// Connections counts the connections that were accepted.
func (s *LDAPScript) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

func (s *LDAPScript) serve(conn net.Conn, config *tls.Config, plain bool) {
	defer conn.Close()
	if !plain {
		conn = tls.Server(conn, config)
	}
	reader := bufio.NewReader(conn)
	for {
		p, err := ber.ReadPacket(reader)
		if err != nil || len(p.Children) < 2 {
			return
		}
		var wrote error
		c := LDAPCall{conn: conn, Secure: !plain, last: &wrote}
		if id, ok := p.Children[0].Value.(int64); ok {
			c.ID = id
		}
		c.read(p)
		s.mu.Lock()
		s.calls = append(s.calls, c)
		s.mu.Unlock()
		if c.Op == LDAPUnbind {
			return
		}
		s.handle(&c)
		if wrote != nil {
			return
		}
		if plain && c.Op == LDAPExtended {
			secure := tls.Server(conn, config)
			if secure.Handshake() != nil {
				return
			}
			conn, reader, plain = secure, bufio.NewReader(secure), false
		}
	}
}

func octets(p *ber.Packet) string {
	if p.Data == nil {
		return ""
	}
	return p.Data.String()
}

func (c *LDAPCall) read(p *ber.Packet) {
	op := p.Children[1]
	c.Op = int(op.Tag)
	switch {
	case c.Op == LDAPBind && len(op.Children) > 2:
		c.Name, c.Password = octets(op.Children[1]), octets(op.Children[2])
	case c.Op == LDAPSearch && len(op.Children) > 7:
		c.Name, c.Filter = octets(op.Children[0]), filterText(op.Children[6])
		for _, a := range op.Children[7].Children {
			c.Attributes = append(c.Attributes, octets(a))
		}
	case c.Op == LDAPExtended && len(op.Children) > 0:
		c.Name = octets(op.Children[0])
	case len(op.Children) > 0:
		c.Name = octets(op.Children[0])
	}
	if len(p.Children) > 2 { // the paging control's cookie (RFC 2696)
		for _, control := range p.Children[2].Children {
			if len(control.Children) > 1 && octets(control.Children[0]) == "1.2.840.113556.1.4.319" {
				value := control.Children[len(control.Children)-1]
				if inner, err := ber.DecodePacketErr([]byte(octets(value))); err == nil && len(inner.Children) > 1 {
					c.Cookie = octets(inner.Children[1])
				}
			}
		}
	}
}

// filterText writes a filter with its values quoted as Go does, so that what
// came as value can't be taken for filter.
func filterText(p *ber.Packet) string {
	children := func(sign string) string {
		var b strings.Builder
		for _, child := range p.Children {
			b.WriteString(filterText(child))
		}
		return "(" + sign + b.String() + ")"
	}
	switch {
	case p.Tag == 0:
		return children("&")
	case p.Tag == 1:
		return children("|")
	case p.Tag == 2:
		return children("!")
	case p.Tag == 7:
		return "(" + octets(p) + "=*)"
	case p.Tag == 3 && len(p.Children) == 2:
		return fmt.Sprintf("(%s=%q)", octets(p.Children[0]), octets(p.Children[1]))
	}
	return fmt.Sprintf("(other %d)", p.Tag)
}

// Raw sends bytes.
func (c *LDAPCall) Raw(b []byte) {
	if _, err := c.conn.Write(b); err != nil {
		*c.last = err
	}
}

// Close ends the connection.
func (c *LDAPCall) Close() { *c.last = net.ErrClosed }

// Message is one message with the operation in it.
func (c *LDAPCall) Message(id int64, op *ber.Packet) []byte {
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	return m.Bytes()
}

// Result is an LDAPResult of the kind of answer.
func (c *LDAPCall) Result(tag ber.Tag, code int64, diagnostic string) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, diagnostic, ""))
	return op
}

// Done answers the call with a result code.
func (c *LDAPCall) Done(code int64, diagnostic string) {
	tag := ber.Tag(c.Op + 1)
	if c.Op == LDAPSearch {
		tag = 5
	}
	c.Raw(c.Message(c.ID, c.Result(tag, code, diagnostic)))
}

// Entry sends an entry; values by attribute.
func (c *LDAPCall) Entry(dn string, attributes map[string][]string) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, 4, nil, "")
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, ""))
	list := ber.NewSequence("")
	for name, values := range attributes {
		one := ber.NewSequence("")
		one.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, name, ""))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, v, ""))
		}
		one.AppendChild(set)
		list.AppendChild(one)
	}
	op.AppendChild(list)
	c.Raw(c.Message(c.ID, op))
}

// Reference sends a search result reference.
func (c *LDAPCall) Reference(uri string) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, 19, nil, "")
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, uri, ""))
	c.Raw(c.Message(c.ID, op))
}

// Referral answers with result code 10 and where to go.
func (c *LDAPCall) Referral(uri string) {
	tag := ber.Tag(c.Op + 1)
	if c.Op == LDAPSearch {
		tag = 5
	}
	op := c.Result(tag, 10, "")
	refs := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
	refs.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, uri, ""))
	op.AppendChild(refs)
	c.Raw(c.Message(c.ID, op))
}

// DonePage ends a page of results; an empty cookie ends the last.
func (c *LDAPCall) DonePage(cookie string) {
	value := ber.NewSequence("")
	value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 0, ""))
	value.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, cookie, ""))
	control := ber.NewSequence("")
	control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "1.2.840.113556.1.4.319", ""))
	control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(value.Bytes()), ""))
	controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	controls.AppendChild(control)
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, c.ID, ""))
	m.AppendChild(c.Result(5, 0, ""))
	m.AppendChild(controls)
	c.Raw(m.Bytes())
}

// Sleep is a slow answer.
func (c *LDAPCall) Sleep(d time.Duration) { time.Sleep(d) }
