package orm

import "strings"

// EscapeLike takes the meaning from what has one for LIKE and ILIKE (% _ \), so that a
// text is found as it is, whoever has typed it:
//
//	posts.Filter("title ILIKE ?", "%"+orm.EscapeLike(q)+"%")
func EscapeLike(text string) string { return likeEscapes.Replace(text) }

var likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
