// Inspector's command line as a client: `inspector2.mjs URL TOKEN OTHER_TOKEN ERA FEATURE...`.
//
// Runs it for every feature that is named and prints a line of JSON for each: what came, or why it
// failed.  What should have come is not known here.  MODULES names the folder that Inspector is in.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const [url, token, , era, ...features] = process.argv.slice(2);
const program = `${process.env.MODULES}/@modelcontextprotocol/inspector/clients/launcher/build/index.js`;

async function ask(method, ...more) {
  const words = [program, "--cli", "--server-url", url, "--transport", "http"];
  words.push("--protocol-era", era, "--header", `Authorization: Bearer ${token}`);
  words.push("--format", "json", "--quiet", "--method", method, ...more);
  const { stdout } = await run(process.execPath, words);
  return JSON.parse(stdout).result;
}

const call = (name, args = {}) =>
  ask("tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args));

const tries = {
  async lists_and_templates() {
    const [{ tools }, { resources }, { resourceTemplates }, { prompts }] = await Promise.all(
      ["tools/list", "resources/list", "resources/templates/list", "prompts/list"].map((it) =>
        ask(it),
      ),
    );
    return {
      tools: tools.map(({ name }) => name),
      resources: resources.map(({ uri }) => uri),
      templates: resourceTemplates.map(({ uriTemplate }) => uriTemplate),
      prompts: prompts.map(({ name }) => name),
    };
  },
  async calls_with_mirrored_arguments() {
    const { content } = await call("echo", { text: "hello", region: "Köln" });
    return content[0].text;
  },
  async content_crosses_whole() {
    const { content } = await call("sing");
    return content.map(({ type }) => type);
  },
};

for (const feature of features) {
  const line = { feature };
  try {
    line.said = await tries[feature]();
  } catch (error) {
    line.failed = `${error} ${error.stderr ?? ""}`;
  }
  console.log(JSON.stringify(line));
}
