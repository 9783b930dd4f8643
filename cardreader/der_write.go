package cardreader

// DER identifier octets (X.690 section 8.1.2).
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagNull            = 0x05
	tagOID             = 0x06
	tagUTF8String      = 0x0c
	tagPrintableString = 0x13
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagBMPString       = 0x1e
	tagSequence        = 0x30
	tagSet             = 0x31
	tagContext0        = 0xa0 // [0], constructed
	tagContext1        = 0xa1
	tagContext3        = 0xa3
)

// The object identifiers of a CMS message, as whole DER elements.
var (
	oidData          = []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1}    // 1.2.840.113549.1.7.1
	oidSignedData    = []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2}    // 1.2.840.113549.1.7.2
	oidContentType   = []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3}    // 1.2.840.113549.1.9.3
	oidMessageDigest = []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4}    // 1.2.840.113549.1.9.4
	oidSigningTime   = []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5}    // 1.2.840.113549.1.9.5
	oidSHA256        = []byte{tagOID, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1}          // 2.16.840.1.101.3.4.2.1
	oidRSA           = []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1}    // 1.2.840.113549.1.1.1
	oidRSAWithSHA256 = []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b} // 1.2.840.113549.1.1.11
	oidRSAPSS        = []byte{tagOID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0a} // 1.2.840.113549.1.1.10
	oidECDSASHA256   = []byte{tagOID, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}          // 1.2.840.10045.4.3.2
)

var derNull = []byte{tagNull, 0}

// tlv is one DER element with the parts as its content.
func tlv(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n+6)
	out = append(out, tag)
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		for out[2] == 0 { // DER: as few length octets as will do
			out = append(out[:2], out[3:]...)
			out[1]--
		}
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
