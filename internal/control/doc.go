// Package control is the supervisor's control socket, both ends: HTTP over a unix
// socket that only the supervisor's user and root can use. Its invariant: a
// socket behind which somebody answers is never replaced, and a file that is no
// longer ours is never removed.
//
// The smallest use, in the supervisor:
//
//	server, err := control.Listen(path)
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	return server.Serve(ctx, backend)
//
// and in a command:
//
//	status, err := control.NewClient(path).Status(ctx)
package control
