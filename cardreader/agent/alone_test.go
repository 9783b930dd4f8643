package agent

func runAlone() {}
