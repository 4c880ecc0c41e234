// The kinds of the Gateway API, as an ordinary dependency: its manifests are in the module.
module ostiary.dev/e2e/gateway

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
