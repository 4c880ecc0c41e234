//go:build tools

// Package tools names a package of the Gateway API, so that `go mod tidy` keeps
// it.  It is never compiled: what the tests take of it are its manifests.
package tools

import _ "sigs.k8s.io/gateway-api/pkg/consts"
