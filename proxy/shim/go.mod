module ostiary.dev/shim

go 1.22
