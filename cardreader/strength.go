package cardreader

import (
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"sync"
)

// The keys of natural-person cards have been weak before: 184 of those issued
// in Taiwan shared primes or had guessable ones (Bernstein et al., "Factoring
// RSA keys from certified smart cards", 2013), and a later chip generation made
// primes of a known pattern (CVE-2017-15361, "ROCA").

// smallPrimes must not divide a modulus. The product fits one word.
var smallPrimes = []uint64{3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53}

// rocaPrimes are the moduli of the ROCA fingerprint: a weak key's modulus is a
// power of 65537 modulo each of them.
var rocaPrimes = []uint64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// rocaPowers[i][x] says whether x is a power of 65537 modulo rocaPrimes[i].
var rocaPowers = func() [][]bool {
	tables := make([][]bool, len(rocaPrimes))
	for i, p := range rocaPrimes {
		tables[i] = make([]bool, p)
		for x := uint64(1); !tables[i][x]; x = x * 65537 % p {
			tables[i][x] = true
		}
	}
	return tables
}()

// fermatRounds finds primes that differ by up to about 2^(bits/4+8).
const fermatRounds = 100

// weakModulus says why n can be factored by its form alone, or "".
func weakModulus(n *big.Int) string {
	if n.Bit(0) == 0 {
		return "even"
	}
	for _, p := range smallPrimes {
		if residue(n, p) == 0 {
			return "small factor"
		}
	}
	roca := true
	for i, p := range rocaPrimes {
		if !rocaPowers[i][residue(n, p)] {
			roca = false
			break
		}
	}
	if roca {
		return "ROCA"
	}
	if closePrimes(n) {
		return "close primes"
	}
	return ""
}

// residue is n modulo a small number, without allocating.
func residue(n *big.Int, m uint64) uint64 {
	var r uint64
	words := n.Bits()
	for i := len(words) - 1; i >= 0; i-- {
		// Two halves, so that nothing overflows whatever the size of a word is.
		w := uint64(words[i])
		r = (r<<32 | w>>32) % m
		r = (r<<32 | w&0xffffffff) % m
	}
	return r
}

// squareModulus sorts out nearly all numbers that are no squares.
const squareModulus = 64 * 63 * 65 * 11 * 17 * 19

// closePrimes runs Fermat's factoring method for some rounds: n = a*a - b*b. The
// rounds reckon with residues only; a real square root is taken where they
// leave hope.
func closePrimes(n *big.Int) bool {
	one := big.NewInt(1)
	a, b2, b := new(big.Int).Sqrt(n), new(big.Int), new(big.Int)
	if b2.Mul(a, a).Cmp(n) < 0 {
		a.Add(a, one)
	}
	ra, rn := residue(a, squareModulus), residue(n, squareModulus)
	for range fermatRounds {
		if maybeSquare((ra*ra + squareModulus - rn) % squareModulus) {
			b2.Sub(b2.Mul(a, a), n)
			if b.Sqrt(b2); b.Mul(b, b).Cmp(b2) == 0 {
				return true
			}
		}
		a.Add(a, one)
		ra = (ra + 1) % squareModulus
	}
	return false
}

var squareTables = func() map[uint64][]bool {
	tables := make(map[uint64][]bool)
	for _, m := range []uint64{64, 63, 65, 11, 17, 19} {
		tables[m] = make([]bool, m)
		for x := range m {
			tables[m][x*x%m] = true
		}
	}
	return tables
}()

var squares64, squares63, squares65 = squareTables[64], squareTables[63], squareTables[65]
var squares11, squares17, squares19 = squareTables[11], squareTables[17], squareTables[19]

func maybeSquare(r uint64) bool {
	return squares64[r%64] && squares63[r%63] && squares65[r%65] && squares11[r%11] && squares17[r%17] && squares19[r%19]
}

// Moduli remembers the RSA keys of the cards that passed all other checks and
// finds those that share a prime with another: whoever has both can factor
// both. The zero value is ready; it is safe for concurrent use.
//
// What it knows is this process's own: it learns again after a restart, from
// Learn or as cards come by.
type Moduli struct {
	mu     sync.Mutex
	known  map[[32]byte]bool // by hash of the modulus; true: shares a prime
	groups []*moduliGroup
}

// maxModuli bounds the memory (about 13 MB for RSA-2048). It is more people than
// the city employs; keys beyond it are still checked against the known ones.
const maxModuli = 50_000

// moduliGroup keeps a product, so that one division checks many moduli.
type moduliGroup struct {
	product *big.Int
	members []*big.Int
}

const groupSize = 64

// Learn takes a key into the set and says whether it is free of shared primes.
// Keys that are not RSA are free.
func (m *Moduli) Learn(key any) bool {
	pub, ok := key.(*rsa.PublicKey)
	if !ok {
		return true
	}
	id := sha256.Sum256(pub.N.Bytes())
	m.mu.Lock()
	defer m.mu.Unlock()
	if shared, ok := m.known[id]; ok {
		return !shared
	}
	shared := m.shares(pub.N)
	if len(m.known) < maxModuli {
		m.add(id, pub.N, shared)
	}
	return !shared
}

// vetted says whether the very key was learned and found good.
func (m *Moduli) vetted(n *big.Int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	shared, ok := m.known[sha256.Sum256(n.Bytes())]
	return ok && !shared
}

func (m *Moduli) add(id [32]byte, n *big.Int, shared bool) {
	if m.known == nil {
		m.known = make(map[[32]byte]bool)
	}
	m.known[id] = shared
	if len(m.groups) == 0 || len(m.groups[len(m.groups)-1].members) == groupSize {
		m.groups = append(m.groups, &moduliGroup{product: big.NewInt(1)})
	}
	g := m.groups[len(m.groups)-1]
	g.members = append(g.members, n)
	g.product.Mul(g.product, n)
}

// shares looks for a common prime. The other key is as broken as this one, so
// it is marked too.
func (m *Moduli) shares(n *big.Int) bool {
	all, rest := big.NewInt(1), new(big.Int)
	for _, g := range m.groups {
		all.Mod(all.Mul(all, rest.Mod(g.product, n)), n)
	}
	one := big.NewInt(1)
	if rest.GCD(nil, nil, all, n).Cmp(one) == 0 {
		return false
	}
	for _, g := range m.groups {
		for _, other := range g.members {
			if rest.GCD(nil, nil, other, n).Cmp(one) != 0 {
				m.known[sha256.Sum256(other.Bytes())] = true
			}
		}
	}
	return true
}
