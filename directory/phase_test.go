package directory_test

import (
	"testing"

	"taipeion.internal/idp/policy"
)

// By a name that the phase does not admit nobody logs in, and nobody learns from
// the answer that there is such a name.
func TestGate_PhaseDecidesByName(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.open()
		w.Admits = policy.Phase.Admits
		names := []string{"wang.daming", "GEAA-000001", "ab1234", "nobody-at-all"}
		for i, tt := range []struct {
			phase policy.Phase
			want  [4]string
		}{
			{policy.PhaseCoexist, [4]string{"ok", "ok", "ok", "wrong"}},
			{policy.PhaseDirectory, [4]string{"wrong", "ok", "ok", "wrong"}},
			{policy.PhaseSingle, [4]string{"wrong", "wrong", "ok", "wrong"}},
		} {
			if i > 0 {
				if err := s.SetPhase(t.Context(), policy.Phases[i-1], tt.phase, w.clock()); err != nil {
					t.Fatal(err)
				}
			}
			for j, name := range names {
				if got := w.try(name, rightPassword); got != tt.want[j] {
					t.Errorf("%s in %s: %s", name, tt.phase, got)
				}
			}
		}
	})
}
