package agent

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"taipeion.internal/idp/cardreader/pkcs11"
)

// The protocol between agent and module process: frames on stdin and stdout,
// each of four bytes with the length of the JSON, two bytes with the length of
// the secret (both big-endian), the JSON and the secret. The PIN travels as the
// secret, because encoders of JSON keep buffers that nobody wipes. The agent
// sends one request and reads one reply at a time.

const (
	maxFrame  = 1 << 20
	maxSecret = 256
)

var errFrame = errors.New("agent: broken frame from module process")

// Operations of a module process.
const (
	opOpen  = "open"  // load Module
	opSlots = "slots" // list readers and cards
	opSign  = "sign"  // sign with the PIN in the frame's secret
)

type moduleRequest struct {
	Op          string `json:"op"`
	Module      string `json:"module,omitempty"`
	Slot        uint   `json:"slot,omitempty"`
	Serial      string `json:"serial,omitempty"`
	Certificate []byte `json:"certificate,omitempty"`
	Data        []byte `json:"data,omitempty"`
}

type moduleReply struct {
	Slots     []pkcs11.Slot `json:"slots,omitempty"`
	Signature []byte        `json:"signature,omitempty"`
	Failure   *failure      `json:"failure,omitempty"`
}

// failure is a pkcs11.Error on its way through the pipe.
type failure struct {
	Kind  pkcs11.Kind `json:"kind"`
	Op    string      `json:"op"`
	RV    uint        `json:"rv,omitempty"`
	Tries int         `json:"tries"`
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	var e *pkcs11.Error
	if errors.As(err, &e) {
		return &failure{Kind: e.Kind, Op: e.Op, RV: e.RV, Tries: e.TriesLeft}
	}
	if errors.Is(err, pkcs11.ErrNoCgo) {
		return &failure{Kind: pkcs11.KindNoComponent, Op: "built without cgo", Tries: pkcs11.Unknown}
	}
	return &failure{Kind: pkcs11.KindFailed, Op: "module process", Tries: pkcs11.Unknown}
}

func (f *failure) err() error {
	if f == nil {
		return nil
	}
	return &pkcs11.Error{Kind: f.Kind, Op: f.Op, RV: f.RV, TriesLeft: f.Tries}
}

// writeFrame sends message and secret in one write and wipes its own copy.
func writeFrame(w io.Writer, message any, secret []byte) error {
	text, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("agent: frame: %w", err)
	}
	if len(text) > maxFrame || len(secret) > maxSecret {
		return errFrame
	}
	frame := make([]byte, 6, 6+len(text)+len(secret))
	defer wipe(frame[:cap(frame)])
	binary.BigEndian.PutUint32(frame, uint32(len(text)))
	binary.BigEndian.PutUint16(frame[4:], uint16(len(secret)))
	frame = append(append(frame, text...), secret...)
	if _, err := w.Write(frame); err != nil {
		return fmt.Errorf("agent: frame: %w", err)
	}
	return nil
}

// readFrame reads into message and returns the secret, which the caller wipes.
func readFrame(r io.Reader, message any) ([]byte, error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n, s := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint16(head[4:])
	if n > maxFrame || s > maxSecret {
		return nil, errFrame
	}
	text, secret := make([]byte, n), make([]byte, s)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, errFrame
	}
	if _, err := io.ReadFull(r, secret); err != nil {
		return nil, errFrame
	}
	if err := json.Unmarshal(text, message); err != nil {
		wipe(secret)
		return nil, errFrame
	}
	return secret, nil
}

func wipe(b []byte) { clear(b) }
