package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
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

func (f *floor) prepareChecks() {
	f.proof.message = make([]byte, 256)
	sum := sha256.Sum256(f.proof.message)
	f.proof.signature, _ = ecdsa.SignASN1(rand.Reader, f.key, sum[:])
}

// indexes are those that the product's tables have besides their key. Each digit
// of a transaction is a statement that writes a row in a table with so many.
var indexes = []string{"at", "hash", "body", "at, id"}

func tableWith(n int) (create []string, insert string) {
	name := "floor_rows_" + strconv.Itoa(n)
	create = []string{strings.Replace(createRows, "floor_rows", name, 1)}
	for i, columns := range indexes[:n] {
		create = append(create, fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s_%d ON %s (%s)", name, i, name, columns))
	}
	return create, strings.Replace(insertRow, "floor_rows", name, 1)
}

// inserts are the statements by their digits.
func inserts() (create []string, byDigit map[rune]string) {
	byDigit = map[rune]string{}
	for n := range len(indexes) + 1 {
		tables, insert := tableWith(n)
		create = append(create, tables...)
		byDigit['0'+rune(n)] = insert
	}
	return create, byDigit
}

var (
	createChecks, insertChecks = inserts()
	createAll                  = strings.Join(append(createChecks, createRows), ";")
)

// checks verifies so many signatures and makes durable transactions, one after
// the other: what a step of a login by phone can't do without.
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
	for statements := range strings.FieldsSeq(r.FormValue("transactions")) {
		if err := f.disk.writeAll(r.Context(), statements); err != nil {
			answer(w, http.StatusInternalServerError, err.Error())
			return
		}
	}
	answer(w, http.StatusOK, map[string]bool{"done": true})
}

func freshRow() []any {
	text, id, hash := random()
	return []any{id, hash, text, time.Now().UnixMicro()}
}

// writeAll hands in all statements at once: they are in one commit, or in two
// that follow each other.
func (d *liteDisk) writeAll(_ context.Context, statements string) error {
	var waits []chan error
	for _, digit := range statements {
		done := make(chan error, 1)
		waits = append(waits, done)
		d.queue <- write{insertChecks[digit], freshRow(), done}
	}
	var all error
	for _, done := range waits {
		all = errors.Join(all, <-done)
	}
	return all
}

// writeAll sends all statements in one round trip, and in one transaction.
func (d *pgDisk) writeAll(ctx context.Context, statements string) error {
	batch := &pgx.Batch{}
	for _, digit := range statements {
		batch.Queue(insertChecks[digit], freshRow()...)
	}
	return d.pool.SendBatch(ctx, batch).Close()
}
