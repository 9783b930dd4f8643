package templates

func adminKeys() []string {
	var keys []string
	for _, state := range []string{WaitingOpen, WaitingRefused, WaitingOver} {
		keys = append(keys, "bind.waiting."+state, "bind.waiting."+state+".detail")
	}
	return keys
}
