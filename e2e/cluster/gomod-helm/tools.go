//go:build tools

// Package tools names the program, so that `go mod tidy` keeps what it needs
// in go.sum.  It is never compiled.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
