// Package other has a type of a name that another package has too.
package other

// Item is another Item.
type Item struct {
	Yours string `json:"yours"`
}
