package cardreader

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"

	"go.mozilla.org/pkcs7"
)

// ErrSignature says that what the card gave is no signature of its key.
var ErrSignature = errors.New("the card's signature does not verify")

// Finish is Assemble, read back by go.mozilla.org/pkcs7, which shares no code
// with ours: a module that answers with garbage, or a fault in our encoding, is
// found where the card still lies in the reader. It judges neither chain nor
// times: that is the server's (see Verifier).
func (p *Pending) Finish(signature []byte) ([]byte, error) {
	cms := p.Assemble(signature)
	message, err := pkcs7.Parse(cms)
	if err != nil {
		return nil, fmt.Errorf("read the message back: %w", err)
	}
	signer := message.GetOnlySigner()
	if len(message.Signers) != 1 || signer == nil || !signer.Equal(p.cert) || !bytes.Equal(message.Content, p.content) {
		return nil, errors.New("read the message back: it is not what was to be signed")
	}
	algorithm := x509.SHA256WithRSA
	if signer.PublicKeyAlgorithm == x509.ECDSA {
		algorithm = x509.ECDSAWithSHA256
	}
	if err := signer.CheckSignature(algorithm, p.ToSign(), message.Signers[0].EncryptedDigest); err != nil {
		return nil, ErrSignature
	}
	return cms, nil
}
