// Chromium, of the distribution: Playwright brings none.
import { chromium } from "playwright-core";
import { accessSync } from "node:fs";

const path = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => {
  try { accessSync(p); return true; } catch { return false; }
});

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM || path, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });

// drawn waits for the plots, and says after how many milliseconds they were there.
export async function drawn(page) {
  await page.waitForFunction(() => performance.getEntriesByName("drawn").length > 0);
  return page.evaluate(() => performance.getEntriesByName("drawn")[0].startTime);
}
