package config

import _ "embed"

//go:generate go test -run TestGenerated -update

//go:embed example.yaml
var example []byte

//go:embed schema.json
var schema []byte

//go:embed agent-example.yaml
var agentExample []byte

// Example is a documented configuration of `idp serve`, every key in it.
func Example() []byte { return example }

// Schema is the JSON Schema of the file, for editors.
func Schema() []byte { return schema }

// AgentExample is a documented configuration of `idp agent`.
func AgentExample() []byte { return agentExample }
