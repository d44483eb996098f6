module github.com/tandem-go/tandem

go 1.26.0

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/kelseyhightower/envconfig v1.4.0 // indirect
	github.com/oklog/run v1.2.0 // indirect
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	go.uber.org/automaxprocs v1.6.0 // indirect
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
