package devicebind

// QRSVG draws a text as a QR code (ISO/IEC 18004, error correction M): an SVG
// of one path, with the quiet zone, black on white, without a size of its own.
func QRSVG(text string) ([]byte, error) { return nil, errNotYet }

// QRModules draws a text as rows of modules, true for dark, with the quiet
// zone; for terminals and pictures.
func QRModules(text string) ([][]bool, error) { return nil, errNotYet }
