package devicebind

import "testing"

func BenchmarkQRSVG(b *testing.B) {
	text := "https://id.example.gov.taipei/phone/q/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-P0BB"
	for b.Loop() {
		if _, err := QRSVG(text); err != nil {
			b.Fatal(err)
		}
	}
}
