module ostiary.dev/e2e/gostdio

go 1.24
