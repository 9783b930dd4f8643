package keys

// DeviceCA issues the certificates of bound phones.
type DeviceCA struct{}
