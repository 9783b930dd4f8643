package cardreader_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

// msg is a change of a good message.
type msg = func(*cardtest.Message)

var (
	attrType   = cardtest.Attribute(cardtest.OIDContentType, cardtest.OID(cardtest.OIDData))
	attrDigest = func() []byte {
		sum := sha256.Sum256(content)
		return cardtest.Attribute(cardtest.OIDMessageDigest, cardtest.TLV(0x04, sum[:]))
	}()
)

func TestT093_NoSignedAttributes(t *testing.T) {
	v := verifier(t)
	refused(t, v, message(issue(), func(m *cardtest.Message) { m.NoAttributes = true }), cardreader.CauseAttributes)
	refused(t, v, message(issue(), func(m *cardtest.Message) { m.Attributes = [][]byte{} }), cardreader.CauseAttributes)
}

// A certificate that has expired stays expired, whatever time the signer claims.
func TestT094_BackDatedSigningTime(t *testing.T) {
	expired := issue(func(l *cardtest.Leaf) { l.NotAfter = now.Add(-time.Minute) })
	early := issue(func(l *cardtest.Leaf) { l.NotBefore = now.Add(time.Minute) })
	v := verifier(t)
	for name, c := range map[string]struct {
		certificate []byte
		at          time.Time
		cause       cardreader.Cause
	}{
		"expired":                {expired, time.Time{}, cardreader.CauseValidity},
		"expired, in the window": {expired, now.Add(-2 * time.Minute), cardreader.CauseValidity},
		"expired, long before":   {expired, now.AddDate(0, -1, 0), cardreader.CauseSigningTime},
		"not yet valid":          {early, now.Add(2 * time.Minute), cardreader.CauseValidity},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, v, message(c.certificate, func(m *cardtest.Message) { m.SigningTime = c.at }), c.cause)
		})
	}
}

func TestT095_SignedAttributes(t *testing.T) {
	sum := sha256.Sum256([]byte("other"))
	long := sha256.Sum256(content)
	other := cardtest.Attribute(cardtest.OIDMessageDigest, cardtest.TLV(0x04, sum[:]))
	for name, attributes := range map[string][][]byte{
		"only content type":             {attrType},
		"only digest":                   {attrDigest},
		"content type twice":            {attrType, attrType, attrDigest},
		"digest twice":                  {attrType, attrDigest, attrDigest},
		"two digests, one right":        {attrType, attrDigest, other},
		"digest of something else":      {attrType, other},
		"two values of digest":          {attrType, cardtest.Attribute(cardtest.OIDMessageDigest, cardtest.TLV(0x04, long[:]), cardtest.TLV(0x04, sum[:]))},
		"two values of content type":    {cardtest.Attribute(cardtest.OIDContentType, cardtest.OID(cardtest.OIDData), cardtest.OID(cardtest.OIDSignedData)), attrDigest},
		"no value":                      {attrType, cardtest.Attribute(cardtest.OIDMessageDigest)},
		"content type of signed data":   {cardtest.Attribute(cardtest.OIDContentType, cardtest.OID(cardtest.OIDSignedData)), attrDigest},
		"digest cut short":              {attrType, cardtest.Attribute(cardtest.OIDMessageDigest, cardtest.TLV(0x04, long[:20]))},
		"empty digest":                  {attrType, cardtest.Attribute(cardtest.OIDMessageDigest, cardtest.TLV(0x04))},
		"digest as a bit string":        {attrType, cardtest.Attribute(cardtest.OIDMessageDigest, cardtest.TLV(0x03, []byte{0}, long[:]))},
		"unknown attribute":             {attrType, attrDigest, cardtest.Attribute("1.2.840.113549.1.9.16.2.47", cardtest.TLV(0x30))},
		"not an attribute":              {attrType, attrDigest, cardtest.TLV(0x04)},
		"third element in an attribute": {attrType, cardtest.TLV(0x30, cardtest.OID(cardtest.OIDMessageDigest), cardtest.TLV(0x31, cardtest.TLV(0x04, long[:])), cardtest.TLV(0x05))},
	} {
		t.Run(name, func(t *testing.T) {
			slices.SortFunc(attributes, bytes.Compare)
			refused(t, verifier(t), message(issue(), func(m *cardtest.Message) { m.Attributes = attributes }), cardreader.CauseAttributes)
		})
	}
}

// The attributes must be in the order in which they are signed.
func TestT096_AttributeOrder(t *testing.T) {
	wrong := [][]byte{attrDigest, attrType}
	right := [][]byte{attrType, attrDigest}
	v := verifier(t)
	refused(t, v, message(issue(), func(m *cardtest.Message) { m.Attributes = wrong }), cardreader.CauseAttributes)
	// Signed in DER order, shown in another, as a lenient verifier would sort it.
	refused(t, v, message(issue(), func(m *cardtest.Message) {
		m.Attributes, m.ToSign = wrong, cardtest.TLV(0x31, right...)
	}), cardreader.CauseAttributes)
	// Signed as the [0] that stands in the message.
	refused(t, v, message(issue(), func(m *cardtest.Message) { m.ToSign = cardtest.TLV(0xa0, right...) }), cardreader.CauseSignature)
}

func TestT097_SigningTime(t *testing.T) {
	v, good := verifier(t), issue()
	for _, d := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute, 4 * time.Minute} {
		accepted(t, v, message(good, func(m *cardtest.Message) { m.SigningTime = now.Add(d) }))
	}
	for _, d := range []time.Duration{5*time.Minute + time.Second, -5*time.Minute - time.Second, 24 * time.Hour, -24 * time.Hour} {
		refused(t, v, message(good, func(m *cardtest.Message) { m.SigningTime = now.Add(d) }), cardreader.CauseSigningTime)
	}
	for name, value := range map[string][]byte{
		"offset":       cardtest.TLV(0x17, []byte("260302160000+0800")),
		"no seconds":   cardtest.TLV(0x17, []byte("2603020800Z")),
		"no zone":      cardtest.TLV(0x18, []byte("20260302080000")),
		"fraction":     cardtest.TLV(0x18, []byte("20260302080000.5Z")),
		"wrong choice": cardtest.TLV(0x18, []byte("20260302080000Z")), // UTCTime until 2049
		"month 13":     cardtest.TLV(0x17, []byte("261302080000Z")),
		"a text":       cardtest.UTF8("260302080000Z"),
	} {
		t.Run(name, func(t *testing.T) {
			attributes := [][]byte{attrType, attrDigest, cardtest.Attribute(cardtest.OIDSigningTime, value)}
			slices.SortFunc(attributes, bytes.Compare)
			refused(t, v, message(good, func(m *cardtest.Message) { m.Attributes = attributes }), cardreader.CauseAttributes)
		})
	}
}

func TestT099_SignerInfos(t *testing.T) {
	v := verifier(t)
	for _, n := range []int{-1, 2, 100} {
		refused(t, v, message(issue(), func(m *cardtest.Message) { m.SignerCount = n }), cardreader.CauseSigners, cardreader.CauseSize)
	}
	// A good one and a bad one, in either order.
	bad := cardtest.Message{Content: content, Key: cardtest.Key(1), Certificate: issue()}.SignerInfo()
	good := cardtest.Message{Content: content, Key: cardtest.Key(0), Certificate: issue()}.SignerInfo()
	pair := [][]byte{good, bad}
	slices.SortFunc(pair, bytes.Compare)
	refused(t, v, message(issue(), func(m *cardtest.Message) { m.Signers = pair }), cardreader.CauseSigners)
}

// The signed attributes of one message are no content of another: a signature
// over content alone would let them be shown as such.
func TestT100_AttributesAsContent(t *testing.T) {
	v := verifier(t)
	certificate := issue()
	first := cardtest.Message{Content: content, Key: cardtest.Key(0), Certificate: certificate}
	attributes := cardtest.TLV(0x31, first.GoodAttributes()...)
	signature, err := cardtest.Key(0).Sign(nil, digestOf(attributes), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	cms := cardtest.Message{
		Content: attributes, Key: cardtest.Key(0), Certificate: certificate, NoAttributes: true, Signature: signature,
	}.DER()
	if _, err := v.Verify(cms, attributes); err == nil {
		t.Error("the attributes of another signature were taken as content")
	}
	refused(t, v, cms)
}

func digestOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// A signature counts for the exact challenge that was issued, and no other.
func TestT102_OtherChallenge(t *testing.T) {
	v, certificate := verifier(t), issue()
	base := cardreader.Challenge{
		Origin: "https://id.example.test", Purpose: cardreader.PurposeLogin, Client: "documents", ClientName: "公文",
		Flow: cardreader.FlowHash("browser"), Nonce: cardreader.NewNonce(), IssuedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	key := challengeKey()
	want := []byte(base.Sign(key))
	sign := func(content []byte) []byte {
		return cardtest.Message{Content: content, Key: cardtest.Key(0), Certificate: certificate}.DER()
	}
	if _, err := v.Verify(sign(want), want); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*cardreader.Challenge){
		"origin":  func(c *cardreader.Challenge) { c.Origin = "https://id.example.com" },
		"session": func(c *cardreader.Challenge) { c.Flow = cardreader.FlowHash("another browser") },
		"purpose": func(c *cardreader.Challenge) { c.Purpose = cardreader.PurposeBind },
		"client":  func(c *cardreader.Challenge) { c.Client = "mail" },
		"nonce":   func(c *cardreader.Challenge) { c.Nonce = cardreader.NewNonce() },
		"time":    func(c *cardreader.Challenge) { c.ExpiresAt = c.ExpiresAt.Add(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			c := base
			change(&c)
			_, err := v.Verify(sign([]byte(c.Sign(key))), want)
			var refusal *cardreader.Refusal
			if !errors.As(err, &refusal) || refusal.Cause != cardreader.CauseContent {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := v.Verify(sign([]byte("a document")), want); err == nil {
		t.Error("a signed document opened a session")
	}
}

func TestT105_Content(t *testing.T) {
	v, certificate := verifier(t), issue()
	octets := func(parts ...[]byte) []byte { return cardtest.TLV(0x04, parts...) }
	wrap := func(b ...[]byte) []byte {
		return cardtest.TLV(0x30, cardtest.OID(cardtest.OIDData), cardtest.TLV(0xa0, b...))
	}
	for name, c := range map[string]struct {
		change msg
		causes []cardreader.Cause
	}{
		"other content":     {func(m *cardtest.Message) { m.Content = []byte("other") }, []cardreader.Cause{cardreader.CauseContent}},
		"content and more":  {func(m *cardtest.Message) { m.Content = append(bytes.Clone(content), ' ') }, []cardreader.Cause{cardreader.CauseContent}},
		"content and less":  {func(m *cardtest.Message) { m.Content = content[:len(content)-1] }, []cardreader.Cause{cardreader.CauseContent}},
		"detached":          {func(m *cardtest.Message) { m.Detached = true }, []cardreader.Cause{cardreader.CauseShape}},
		"swapped afterward": {func(m *cardtest.Message) { m.Content, m.Encapsulated = []byte("other"), wrap(octets(content)) }, []cardreader.Cause{cardreader.CauseAttributes}},
		"twice":             {func(m *cardtest.Message) { m.Encapsulated = wrap(octets(content), octets(content)) }, []cardreader.Cause{cardreader.CauseShape}},
		"bare":              {func(m *cardtest.Message) { m.Encapsulated = wrap(content) }, nil},
		"in pieces": {func(m *cardtest.Message) {
			m.Encapsulated = wrap(cardtest.TLV(0x24, octets(content[:5]), octets(content[5:])))
		}, []cardreader.Cause{cardreader.CauseDER}},
		"other type": {func(m *cardtest.Message) { m.ContentType = "1.2.840.113549.1.9.16.1.4" }, []cardreader.Cause{cardreader.CauseShape}},
		"empty":      {func(m *cardtest.Message) { m.Content = nil }, []cardreader.Cause{cardreader.CauseShape}},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, v, message(certificate, c.change), c.causes...)
		})
	}
	// With nothing expected, nothing is good enough.
	if _, err := v.Verify(message(certificate), nil); err == nil {
		t.Error("a message was accepted where none was asked for")
	}
}

func TestT119_Empty(t *testing.T) {
	v, certificate := verifier(t), issue()
	for name, change := range map[string]msg{
		"no certificates":          func(m *cardtest.Message) { m.Certificates = [][]byte{} },
		"an empty certificate set": func(m *cardtest.Message) { m.Certificates, m.CRLs = [][]byte{}, cardtest.TLV(0xa0) },
		"an empty certificate":     func(m *cardtest.Message) { m.Certificates = [][]byte{cardtest.TLV(0x30)} },
		"another's certificate":    func(m *cardtest.Message) { m.Certificates = [][]byte{cardtest.G2().Certificate.Raw} },
		"an empty signature":       func(m *cardtest.Message) { m.Signature = []byte{} },
		"a short signature":        func(m *cardtest.Message) { m.Signature = make([]byte, 255) },
		"a zero signature":         func(m *cardtest.Message) { m.Signature = make([]byte, 256) },
		"another key's signature":  func(m *cardtest.Message) { m.Key = cardtest.Key(1) },
		"empty content":            func(m *cardtest.Message) { m.Content = []byte{} },
		"an empty signer":          func(m *cardtest.Message) { m.Signers = [][]byte{cardtest.TLV(0x30)} },
		"empty signed data":        func(m *cardtest.Message) { m.Wrap = func([]byte) []byte { return cardtest.TLV(0x30) } },
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, message(certificate, change)) })
	}
	for _, cms := range [][]byte{nil, {}, {0x30, 0}, {0}, {0x30}} {
		refused(t, v, cms, cardreader.CauseSize, cardreader.CauseDER, cardreader.CauseShape)
	}
}

// Everything else that the profile fixes.
func TestProfileOfMessage(t *testing.T) {
	v, certificate := verifier(t), issue()
	issuer, serial := cardtest.IssuerAndSerial(certificate)
	for name, change := range map[string]msg{
		"version 3": func(m *cardtest.Message) { m.Version = 3 },
		"signer by key": func(m *cardtest.Message) {
			m.SID = append(cardtest.Integer(3), cardtest.TLV(0x80, make([]byte, 20))...)
		},
		"signer version 3":    func(m *cardtest.Message) { m.SID = append(cardtest.Integer(3), cardtest.TLV(0x30, issuer, serial)...) },
		"revocation lists":    func(m *cardtest.Message) { m.CRLs = cardtest.TLV(0xa1) },
		"unsigned attributes": func(m *cardtest.Message) { m.Unsigned = cardtest.TLV(0xa1, attrType) },
		"no digest algorithm": func(m *cardtest.Message) { m.Digests = [][]byte{} },
		"two algorithms": func(m *cardtest.Message) {
			m.Digests = [][]byte{cardtest.TLV(0x30, cardtest.OID(cardtest.OIDSHA1)), cardtest.TLV(0x30, cardtest.OID(cardtest.OIDSHA256))}
		},
		"attribute certificate": func(m *cardtest.Message) { m.Certificates = [][]byte{cardtest.TLV(0xa1, certificate[4:])} },
		"the certificate twice": func(m *cardtest.Message) { m.Certificates = [][]byte{certificate, certificate} },
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, message(certificate, change)) })
	}
	// The chain that some software adds is let be.
	accepted(t, v, message(certificate, func(m *cardtest.Message) {
		m.Certificates = [][]byte{cardtest.G2().Certificate.Raw, certificate}
	}))
	// SHA-256 with and without parameters are the same (RFC 5754 section 2).
	null := cardtest.TLV(0x30, cardtest.OID(cardtest.OIDSHA256), cardtest.TLV(0x05))
	accepted(t, v, message(certificate, func(m *cardtest.Message) { m.Digests, m.Digest = [][]byte{null}, null }))
}

func TestRefusalTellsOneThing(t *testing.T) {
	for cause, want := range map[cardreader.Cause]idp.Reason{
		cardreader.CauseDER: idp.ReasonCardInvalid, cardreader.CausePolicy: idp.ReasonCardInvalid, cardreader.CauseKeyWeak: idp.ReasonCardInvalid,
		cardreader.CauseRevoked: idp.ReasonCardUnusable, cardreader.CauseRevocationUnknown: idp.ReasonUnavailable,
	} {
		var denied idp.Denied
		if !errors.As(&cardreader.Refusal{Cause: cause}, &denied) || denied.Reason != want {
			t.Errorf("%s: got %q, want %q", cause, denied.Reason, want)
		}
	}
}
