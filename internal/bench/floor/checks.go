package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"
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

// checks verifies so many signatures and makes so many durable writes, one after
// the other: what a step of a login by phone can't do without.
func (f *floor) checks(w http.ResponseWriter, r *http.Request) {
	verify, err1 := strconv.Atoi(r.FormValue("verify"))
	writes, err2 := strconv.Atoi(r.FormValue("writes"))
	if err := errors.Join(err1, err2); err != nil {
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
	for range writes {
		text, hash := random()
		if err := f.insert(r.Context(), hash, text); err != nil {
			answer(w, http.StatusInternalServerError, err.Error())
			return
		}
	}
	answer(w, http.StatusOK, map[string]bool{"done": true})
}
