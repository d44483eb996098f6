package cli

// A Command is what a manual says of one command of the program.
type Command struct {
	Usage string // "scale N"
	About string // sentences
	// Client: it talks to a supervisor that runs, and takes --control.
	Client bool
}

// Commands gives the commands that this version has, in the order of help.
func Commands() []Command {
	var list []Command
	for _, c := range offered() {
		usage := c.name
		if c.args != "" {
			usage += " " + c.args
		}
		list = append(list, Command{Usage: usage, About: c.long, Client: c.asks()})
	}
	return list
}
