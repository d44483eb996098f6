// Takes pictures of the live page at ADMIN, into the directory OUT.
import { launch, drawn } from "./browser.mjs";

const browser = await launch();
const kinds = {
  light: { viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "light", deviceScaleFactor: 2 },
};
for (const [kind, options] of Object.entries(kinds)) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(120000);
  await page.goto(process.env.ADMIN + "/");
  const took = await drawn(page);
  await page.waitForFunction(() => document.querySelectorAll("#events-rows tr").length > 0 && document.querySelector("#workers-rows tr").cells[4].textContent !== "–");
  const path = `${process.env.OUT}/live-${kind}.png`;
  await page.screenshot({ path, fullPage: kind !== "phone" });
  console.log(`${path}: drawn after ${Math.round(took)} ms`);
  await page.close();
}
await browser.close();
