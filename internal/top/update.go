package top

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
)

// Update takes in a message.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		if m.small() {
			m.question = nil // it cannot be seen any more
		}
	case tea.BackgroundColorMsg:
		if !m.opt.Plain {
			m.theme = light
			if msg.IsDark() {
				m.theme = dark
			}
		}
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	case pollMsg:
		if msg.poll == m.polls && !m.paused {
			return m, m.poll()
		}
	case statusMsg:
		return m, m.answered(msg)
	case reloadedMsg:
		m.reloaded(msg)
	case scaledMsg:
		m.doing = false
		if msg.err != nil {
			m.say(bad, "scale: %v", msg.err)
			break
		}
		m.say(good, "scaling to %s", workersText(msg.to))
	case recordMsg:
		m.recorded(msg)
	case linesMsg:
		return m, m.logged(msg)
	case eventsMsg:
		return m, m.happened(msg)
	case followMsg:
		if msg.feed == m.feed {
			return m, m.follow()
		}
	}
	return m, nil
}

// say shows a line until the next key.
func (m *Model) say(s style, format string, args ...any) {
	m.notice, m.noticed = fmt.Sprintf(format, args...), s
}

// key does what a key asks for.
func (m *Model) key(name string) tea.Cmd {
	switch {
	case name == "ctrl+c":
		m.leave()
		return tea.Quit
	case m.small(): // as the screen says
		if name == "q" {
			m.leave()
			return tea.Quit
		}
		return nil
	case m.question != nil:
		return m.reply(name)
	}
	if !m.doing {
		m.notice = ""
	}
	if m.pane != nil {
		return m.paneKey(name)
	}
	switch name {
	case "q":
		return tea.Quit
	case "?", "h", "f1":
		m.open("help", helpText)
	case "up", "k":
		m.choose(m.index - 1)
	case "down", "j":
		m.choose(m.index + 1)
	case "home", "g":
		m.choose(0)
	case "end", "G":
		m.choose(len(m.rows()) - 1)
	case "s":
		m.order = (m.order + 1) % len(orders)
		m.settle()
	case "p":
		return m.pause()
	case "l", "enter":
		return m.openLog()
	case "w":
		return m.why()
	case "r":
		m.ask("start a new generation of workers?", m.reload)
	case "+", "=":
		m.scale(m.wanted() + 1)
	case "-":
		m.scale(m.wanted() - 1)
	}
	return nil
}

// paneKey does what a key asks for in a pane.
func (m *Model) paneKey(name string) tea.Cmd {
	page := max(1, m.paneRows()-1)
	_, m.pane.back = m.pane.pieces(m.width, m.paneRows())
	switch name {
	case "esc", "q", "left", "backspace":
		m.leave()
	case "up", "k":
		m.pane.back++
	case "down", "j":
		m.pane.back--
	case "pgup", "b":
		m.pane.back += page
	case "pgdown", "space", "f":
		m.pane.back -= page
	case "home", "g":
		m.pane.back = topOfPane
	case "end", "G":
		m.pane.back = 0
	}
	if m.pane != nil {
		m.pane.back = max(0, m.pane.back)
	}
	return nil
}

// ask asks before something is changed, unless something is under way already.
func (m *Model) ask(text string, yes func() tea.Cmd) {
	switch {
	case m.lost != "":
		m.say(bad, "no supervisor answers")
	case m.doing:
		// The notice says at what.
	default:
		m.question = &question{text, yes}
	}
}

// reply is the answer to a question. Only yes and no are answers.
func (m *Model) reply(name string) tea.Cmd {
	q := m.question
	switch name {
	case "y", "Y":
		m.question = nil
		m.doing = true
		return q.yes()
	case "n", "N", "esc", "q":
		m.question = nil
		m.say(plain, "nothing is changed")
	}
	return nil
}

func (m *Model) reload() tea.Cmd {
	m.say(doubtful, "reload: under way")
	return func() tea.Msg {
		// The supervisor's own bound on a reload counts.
		result, err := m.opt.Source.Reload(m.ctx, true)
		return reloadedMsg{result, err}
	}
}

// reloaded shows how a reload went.
func (m *Model) reloaded(msg reloadedMsg) {
	m.doing = false
	switch r := msg.result; {
	case msg.err != nil:
		m.say(bad, "reload: %v", msg.err)
	case r.Result == control.ResultOK:
		m.say(good, "reloaded: generation %d serves", r.Generation)
	default:
		m.say(bad, "reload: failed and undone: %s", r.Error)
		if len(r.LastWords) > 0 && m.pane == nil && m.question == nil {
			m.open("reload: failed and undone", r.Error+"\n\nlast words of the worker that failed:\n  "+strings.Join(r.LastWords, "\n  "))
		}
	}
}

func (m *Model) scale(n int) {
	switch {
	case n < 1:
		m.say(doubtful, "there cannot be fewer than one worker")
		return
	case n > config.MaxWorkers:
		m.say(doubtful, "there cannot be more than %d workers", config.MaxWorkers)
		return
	}
	m.ask(fmt.Sprintf("scale from %d to %s?", m.wanted(), workersText(n)), func() tea.Cmd {
		m.say(doubtful, "scale: under way")
		return func() tea.Msg {
			ctx, cancel := context.WithTimeout(m.ctx, askTimeout)
			defer cancel()
			return scaledMsg{n, m.opt.Source.Scale(ctx, n)}
		}
	})
}

// pause stops asking, or goes on with it.
func (m *Model) pause() tea.Cmd {
	m.paused = !m.paused
	if m.paused {
		m.polls++ // an answer that is under way is not shown
		return nil
	}
	m.release()
	return m.poll()
}

func workersText(n int) string {
	if n == 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers", n)
}
