package pivcard

import (
	"bytes"
	"crypto/rsa"
	"encoding/hex"
	"net"
	"testing"

	"taipeion.internal/idp/cardreader/cardtest"
)

func testCard(t *testing.T) (*Card, net.Conn) {
	t.Helper()
	key := cardtest.Key(0)
	cert, err := cardtest.G2().Issue(cardtest.Leaf{Name: "王大明", SubjectSerial: "0000000000000001", IDTail: "6789", Key: &key.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	c := &Card{Key: key, Certificate: cert.Raw, PIN: "123456"}
	reader, card := net.Pipe()
	c.insert(card)
	t.Cleanup(c.Pull)
	return c, reader
}

// send sends a command and collects the response with GET RESPONSE.
func send(t *testing.T, reader net.Conn, command string) (data []byte, sw string) {
	t.Helper()
	raw, err := hex.DecodeString(command)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if err := writeMessage(reader, raw); err != nil {
			t.Fatal(err)
		}
		answer, err := readMessage(reader)
		if err != nil {
			t.Fatal(err)
		}
		n := len(answer) - 2
		data, sw = append(data, answer[:n]...), hex.EncodeToString(answer[n:])
		if sw[:2] != "61" {
			return data, sw
		}
		raw = []byte{0, insGetResponse, 0, 0, 0}
	}
}

const (
	selectPIV = "00a4040005a000000308"
	rightPIN  = "0020008008313233343536ffff"
	wrongPIN  = "0020008008303030303030ffff"
	askPIN    = "00200080"
)

func TestPINIsCounted(t *testing.T) {
	c, reader := testCard(t)
	for _, step := range []struct{ command, sw string }{
		{rightPIN, "6a82"}, {selectPIV, "9000"}, {askPIN, "63c3"}, {wrongPIN, "63c2"}, {askPIN, "63c2"}, {rightPIN, "9000"},
		{askPIN, "9000"}, {wrongPIN, "63c2"}, {wrongPIN, "63c1"}, {wrongPIN, "6983"}, {rightPIN, "6983"}, {askPIN, "6983"},
		{"00200081", "6a88"}, {"00ca0000", "6d00"}, {"0020008008ff", "6700"},
	} {
		if _, sw := send(t, reader, step.command); sw != step.sw {
			t.Errorf("%s: got %s, want %s", step.command, sw, step.sw)
		}
	}
	if c.TriesLeft() != 0 || c.Verifies() != 6 {
		t.Errorf("%d tries left, %d PINs seen", c.TriesLeft(), c.Verifies())
	}
}

func TestSignsAfterThePIN(t *testing.T) {
	c, reader := testCard(t)
	send(t, reader, selectPIV)
	data, sw := send(t, reader, "00cb3fff055c035fc105")
	if sw != "9000" || !bytes.Equal(find(find(data, 0x53), 0x70), c.Certificate) {
		t.Errorf("certificate: %s", sw)
	}
	block := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 254)...)
	block[255-20] = 0
	message := tlv(0x7c, tlv(0x82), tlv(0x81, block))
	first := "1087079aff" + hex.EncodeToString(message[:255])
	last := "0087079a" + hex.EncodeToString([]byte{byte(len(message) - 255)}) + hex.EncodeToString(message[255:])
	for _, step := range []struct{ command, sw string }{{first, "9000"}, {last, "6982"}, {rightPIN, "9000"}, {first, "9000"}} {
		if _, sw := send(t, reader, step.command); sw != step.sw {
			t.Fatalf("got %s, want %s", sw, step.sw)
		}
	}
	data, sw = send(t, reader, last)
	signature := find(find(data, 0x7c), 0x82)
	if sw != "9000" || len(signature) != 256 {
		t.Fatalf("signature: %s, %d bytes", sw, len(signature))
	}
	if err := rsa.VerifyPKCS1v15(&c.Key.PublicKey, 0, bytes.Repeat([]byte{0xff}, 20), signature); err != nil {
		t.Error(err)
	}
}

func TestPulled(t *testing.T) {
	c, reader := testCard(t)
	send(t, reader, selectPIV)
	c.Order(Faults{PullAtVerify: true})
	raw, _ := hex.DecodeString(rightPIN)
	if err := writeMessage(reader, raw); err != nil {
		t.Fatal(err)
	}
	if _, err := readMessage(reader); err == nil {
		t.Error("a pulled card answered")
	}
}
