package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// proof is a signature of a phone to be verified again and again.
type proof struct {
	message   []byte
	signature []byte
}

func (f *floor) prepareChecks() (err error) {
	f.proof.message = make([]byte, 256)
	sum := sha256.Sum256(f.proof.message)
	f.proof.signature, err = ecdsa.SignASN1(rand.Reader, f.key, sum[:])
	return err
}

// checks verifies so many signatures and makes durable transactions of so many
// statements, one after the other: what a step of a login by phone can't do
// without.
func (f *floor) checks(w http.ResponseWriter, r *http.Request) {
	verify, err := strconv.Atoi(r.FormValue("verify"))
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	for range verify {
		sum := sha256.Sum256(f.proof.message)
		if !ecdsa.VerifyASN1(&f.key.PublicKey, sum[:], f.proof.signature) {
			answer(w, http.StatusInternalServerError, "signature")
			return
		}
	}
	for size := range strings.FieldsSeq(r.FormValue("transactions")) {
		n, err := strconv.Atoi(size)
		if err == nil {
			err = f.disk.writeAll(r.Context(), n)
		}
		if err != nil {
			answer(w, http.StatusInternalServerError, err.Error())
			return
		}
	}
	answer(w, http.StatusOK, map[string]bool{"done": true})
}

func freshRow() []any {
	text, hash := random()
	return []any{hash[:16], hash, text, time.Now().UnixMicro()}
}

// writeAll hands in all statements at once: they are in one commit, or in two
// that follow each other.
func (d *liteDisk) writeAll(_ context.Context, n int) error {
	waits := make([]chan error, n)
	for i := range waits {
		waits[i] = make(chan error, 1)
		d.queue <- write{insertRow, freshRow(), waits[i]}
	}
	var all error
	for _, done := range waits {
		all = errors.Join(all, <-done)
	}
	return all
}

func (d *pgDisk) writeAll(ctx context.Context, n int) error {
	if n == 1 {
		return d.write(ctx, insertRow, freshRow()...)
	}
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		for range n {
			if _, err := tx.Exec(ctx, insertRow, freshRow()...); err != nil {
				return err
			}
		}
		return nil
	})
}
