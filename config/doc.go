// Package config is the one configuration of the provider and of the card
// agent: a typed, documented structure, read from one YAML file.
//
// It owns the file's format, its defaults, its checks, the example and the JSON
// Schema for editors. It does not open what the file names (cmd/idp does).
//
// What always holds: an unknown key is an error that names its line; a zero
// value works; no secret stands in the file, only the path of a file that holds
// it; paths are relative to the folder of the configuration file.
package config
