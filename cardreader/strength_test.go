package cardreader

import (
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"

	"taipeion.internal/idp/cardreader/cardtest"
)

func prime(t testing.TB, bits int) *big.Int {
	t.Helper()
	p, err := rand.Prime(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// nextPrime is the first prime beyond n.
func nextPrime(n *big.Int) *big.Int {
	p := new(big.Int).SetBit(n, 0, 1)
	for two := big.NewInt(2); ; {
		if p.Add(p, two); p.ProbablyPrime(10) {
			return p
		}
	}
}

// rocaPrime has the form of the weak generator: k*M + (65537^a mod M), where M is
// a product of small primes (Nemec et al., CCS 2017, section 2).
func rocaPrime(t testing.TB, bits int) *big.Int {
	t.Helper()
	m := big.NewInt(1)
	for p := int64(2); m.BitLen() < bits-60; p++ {
		if big.NewInt(p).ProbablyPrime(10) {
			m.Mul(m, big.NewInt(p))
		}
	}
	for {
		a, err := rand.Int(rand.Reader, m)
		if err != nil {
			t.Fatal(err)
		}
		k, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-m.BitLen())))
		if err != nil {
			t.Fatal(err)
		}
		p := new(big.Int).Exp(big.NewInt(65537), a, m)
		if p.Add(p, k.Mul(k, m)); p.ProbablyPrime(10) {
			return p
		}
	}
}

func times(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }

func TestT120_WeakModuli(t *testing.T) {
	p := prime(t, 512)
	near := nextPrime(new(big.Int).Add(p, new(big.Int).Lsh(big.NewInt(1), 250)))
	for name, c := range map[string]struct {
		n    *big.Int
		want string
	}{
		"ROCA":          {times(rocaPrime(t, 512), rocaPrime(t, 512)), "ROCA"},
		"next prime":    {times(p, nextPrime(p)), "close primes"},
		"close primes":  {times(p, near), "close primes"},
		"a square":      {times(p, p), "close primes"},
		"even":          {times(p, big.NewInt(1<<20)), "even"},
		"small factor":  {times(p, big.NewInt(53)), "small factor"},
		"good":          {times(p, prime(t, 512)), ""},
		"test card":     {cardtest.Key(0).N, ""},
		"larger":        {cardtest.KeyRSA(3072).N, ""},
		"largest":       {cardtest.KeyRSA(4096).N, ""},
		"test issuer":   {cardtest.G2().Key.Public().(*rsa.PublicKey).N, ""},
		"test issuer 3": {cardtest.G3().Key.Public().(*rsa.PublicKey).N, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := weakModulus(c.n); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestT120_SharedPrime(t *testing.T) {
	p, q, r := prime(t, 512), prime(t, 512), prime(t, 512)
	key := func(n *big.Int) *rsa.PublicKey { return &rsa.PublicKey{N: n, E: 65537} }
	var m Moduli
	for i := range 2 * groupSize {
		if !m.Learn(key(times(prime(t, 128), prime(t, 128)))) {
			t.Fatalf("key %d shares a prime", i)
		}
	}
	first, second, other := key(times(p, q)), key(times(p, r)), key(times(prime(t, 512), prime(t, 512)))
	if !m.Learn(first) || !m.Learn(other) || !m.Learn(first) {
		t.Fatal("a good key was refused")
	}
	if !m.vetted(first.N) {
		t.Error("a good key is not known")
	}
	if m.Learn(second) {
		t.Error("a shared prime was not found")
	}
	if m.Learn(second) {
		t.Error("it was found once only")
	}
	if m.Learn(first) || m.vetted(first.N) {
		t.Error("the other key, which is as broken, still passes")
	}
	if !m.Learn(other) {
		t.Error("a good key was refused after that")
	}
}

func TestResidue(t *testing.T) {
	n := cardtest.Key(0).N
	for _, m := range []uint64{3, 157, squareModulus} {
		want := new(big.Int).Mod(n, new(big.Int).SetUint64(m)).Uint64()
		if got := residue(n, m); got != want {
			t.Errorf("modulo %d: got %d, want %d", m, got, want)
		}
	}
}
