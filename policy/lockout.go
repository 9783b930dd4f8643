package policy

import "time"

// MaxTries bounds Lockout.MaxFailures: a counter keeps that many times.
const MaxTries = 10

// Lockout says when guessing stops.
type Lockout struct {
	MaxFailures int           // 1 to MaxTries; the city's: 5
	Window      time.Duration // failures older than this don't add up; the city's: 15 min
	Duration    time.Duration // how long a lock holds; the city's: 15 min
	All         bool          // a lock also stops cards and phones
}

// CityLockout is the city's rule: five failures lock for 15 minutes.
func CityLockout() Lockout {
	return Lockout{MaxFailures: 5, Window: 15 * time.Minute, Duration: 15 * time.Minute}
}
