package pkcs11

import (
	"os"
	"path/filepath"
	"runtime"
)

// Known is a PKCS#11 module that we know by name.
type Known struct {
	Name  string // "hicos", "opensc", "softhsm2"
	Paths []string
}

// KnownModules lists the modules that are looked for on this system, the
// natural-person card's own first.
func KnownModules() []Known {
	home, _ := os.UserHomeDir()
	return knownModules(runtime.GOOS, home, os.Getenv)
}

func knownModules(goos, home string, getenv func(string) string) []Known {
	switch goos {
	case "windows":
		system := filepath.Join(getenv("SystemRoot"), "System32")
		files := getenv("ProgramFiles")
		return []Known{
			{"hicos", []string{filepath.Join(system, "HiCOSPKCS11.dll")}},
			{"opensc", []string{filepath.Join(files, "OpenSC Project", "OpenSC", "pkcs11", "opensc-pkcs11.dll")}},
			{"softhsm2", []string{`C:\SoftHSM2\lib\softhsm2-x64.dll`}},
		}
	case "darwin":
		return []Known{
			{"hicos", []string{
				"/Library/FBTokenLib/libHicos_p11v1.dylib",
				filepath.Join(home, "Library/HiPKILocalSignServer/libHicos_p11v1.dylib"),
				filepath.Join(home, "lib/libHicos_p11v1.dylib"),
			}},
			{"opensc", []string{"/Library/OpenSC/lib/opensc-pkcs11.so", "/opt/homebrew/lib/opensc-pkcs11.so", "/usr/local/lib/opensc-pkcs11.so"}},
			{"softhsm2", []string{"/opt/homebrew/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"}},
		}
	}
	return []Known{
		{"hicos", []string{
			"/usr/local/HiPKILocalSignServerApp/libHicos_p11v1.so",
			"/usr/lib/libHicos_p11v1.so", "/usr/local/lib/libHicos_p11v1.so",
		}},
		{"opensc", []string{
			"/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so", "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so",
			"/usr/lib64/opensc-pkcs11.so", "/usr/lib/opensc-pkcs11.so",
		}},
		{"softhsm2", []string{
			"/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
			"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
		}},
	}
}

// Find resolves the configured modules to files. An entry is a path, or the
// name of a known module; no entries at all means every known module that is
// installed. Names that are not installed are left out; a path is returned as
// it stands, so that opening it tells why it fails.
func Find(configured []string) []string {
	known := KnownModules()
	if len(configured) == 0 {
		for _, k := range known {
			configured = append(configured, k.Name)
		}
	}
	var found []string
	for _, entry := range configured {
		path := entry
		for _, k := range known {
			if k.Name == entry {
				path = firstFile(k.Paths)
			}
		}
		if path != "" {
			found = append(found, path)
		}
	}
	return found
}

func firstFile(paths []string) string {
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}
