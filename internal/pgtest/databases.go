package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// url is a database's, over the Unix socket.
func (c *Cluster) url(role, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(role), Path: "/" + database,
		RawQuery: url.Values{"host": {c.dir}, "port": {strconv.Itoa(c.port)}}.Encode(),
	}
	return u.String()
}

// testURL is a database's as tests reach it.
func (c *Cluster) testURL(database string) string {
	if !c.tcp {
		return c.url(tester, database)
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(tester, c.secret), Path: "/" + database,
		Host: net.JoinHostPort(loopback, strconv.Itoa(c.port)),
	}
	return u.String()
}

// asAdmin does something in a database as the superuser, on a connection of its own.
func (c *Cluster) asAdmin(database string, do func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url(admin, database))
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, conn), conn.Close(ctx))
}

// Create gives an empty database, by its name and its URL: one that was given back,
// else a new one. Its owner is a role without privileges.
func (c *Cluster) Create() (name, url string, err error) {
	if name, ok := c.takeFree(); ok {
		return name, c.testURL(name), nil
	}
	name = c.nextName()
	err = c.asAdmin("postgres", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name+" OWNER "+tester)
		return err
	})
	if err != nil {
		return "", "", fmt.Errorf("create a database for a test: %w", err)
	}
	return name, c.testURL(name), nil
}

func (c *Cluster) nextName() string { return fmt.Sprintf("test_%d", c.made.Add(1)) }

func (c *Cluster) takeFree() (name string, ok bool) {
	c.freeMu.Lock()
	defer c.freeMu.Unlock()
	if len(c.free) == 0 {
		return "", false
	}
	name, c.free = c.free[0], c.free[1:]
	return name, true
}

// empties are the statements after which a database is as it was made: nobody else is
// connected to it, and what it holds is what every new one does. That takes a seventh
// of the time of another database.
var empties = []string{
	"SELECT pg_terminate_backend(pid, " + strconv.FormatInt(patience.Milliseconds(), 10) + ") FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
	`DO $$ DECLARE name text; BEGIN
	FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
		EXECUTE format('DROP SCHEMA %I CASCADE', name);
	END LOOP;
	EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
END $$`,
	"CREATE SCHEMA public AUTHORIZATION pg_database_owner",
	"GRANT USAGE ON SCHEMA public TO PUBLIC",
}

// Release ends a database of Create, and the connections to it. Its name is gone too:
// the next who asks gets it under another, so nobody who still knows this one comes
// upon what is somebody else's.
func (c *Cluster) Release(name string) error {
	next := c.nextName()
	err := c.asAdmin(name, func(ctx context.Context, conn *pgx.Conn) error {
		for _, statement := range empties {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = c.asAdmin("postgres", func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "ALTER DATABASE "+pgx.Identifier{name}.Sanitize()+" RENAME TO "+next)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("empty the database of a test: %w", err)
	}
	c.freeMu.Lock()
	defer c.freeMu.Unlock()
	c.free = append(c.free, next)
	return nil
}

// Disconnect ends every connection of the tests', as an operator's
// pg_terminate_backend does: queries that run fail. It returns when their backends
// have gone, with their number.
func (c *Cluster) Disconnect() (ended int, err error) {
	var pids []int32
	err = c.asAdmin("postgres", func(ctx context.Context, conn *pgx.Conn) error {
		// All are told before one is waited for: what it held would let others go on.
		err := conn.QueryRow(ctx, "SELECT array_agg(pid) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1", tester).Scan(&pids)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid, $2) FROM unnest($1::int[]) AS pid", pids, patience.Milliseconds())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end the tests' connections: %w", err)
	}
	return len(pids), nil
}
