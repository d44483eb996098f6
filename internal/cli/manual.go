package cli

// A Command is what a manual says of one command of the program.
type Command struct {
	Usage string   // "scale N"
	Short string   // a line
	About string   // sentences
	Flags []string // its own, with dashes
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
		list = append(list, Command{Usage: usage, Short: c.short, About: c.long, Flags: c.flags, Client: c.asks()})
	}
	return list
}
