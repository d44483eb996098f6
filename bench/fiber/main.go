// Command fiber is the rival of the same name, with its own way to several
// processes: it answers /modern/ on the address that it is given.
package main

import (
	"log"
	"os"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
)

func main() {
	app := fiber.New(fiber.Config{Prefork: true, DisableStartupMessage: true})
	app.Get("/modern/", func(c *fiber.Ctx) error {
		start := time.Now()
		if err := c.JSON(map[string]string{"hello": "async"}); err != nil {
			return err
		}
		c.Set("X-Elapsed-Ms", strconv.FormatFloat(float64(time.Since(start))/float64(time.Millisecond), 'f', 3, 64))
		return nil
	})
	if err := app.Listen(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
