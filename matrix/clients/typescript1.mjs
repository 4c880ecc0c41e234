// The TypeScript SDK v1 as a client: `typescript1.mjs URL TOKEN OTHER_TOKEN ERA FEATURE...`.
//
// Tries every feature that is named and prints a line of JSON for each: what came, or why it failed.
// What should have come is not known here.  MODULES names the folder that the SDK is in.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.MODULES}/`);
const sdk = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));
const { Client } = await sdk("client/index.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");
const types = await sdk("types.js");

const [url, token, otherToken, , ...features] = process.argv.slice(2);
const SECONDS = 120;
const options = { timeout: SECONDS * 1000 };

async function connect({ bearer = token, colour = "red", asks = true } = {}) {
  const heard = { logs: [], messages: [], asked: [] };
  const capabilities = { sampling: {}, roots: {} };
  if (asks) capabilities.elicitation = { form: {}, url: {} };
  const client = new Client({ name: "typescript1", version: "1" }, { capabilities });
  if (asks) {
    client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => {
      heard.asked.push(params.message);
      return { action: "accept", ...(params.mode === "url" ? {} : { content: { colour } }) };
    });
  }
  client.setRequestHandler(types.CreateMessageRequestSchema, () => ({
    role: "assistant",
    model: "m",
    content: { type: "text", text: "mirth" },
  }));
  client.setRequestHandler(types.ListRootsRequestSchema, () => ({
    roots: [{ uri: "file:///home" }],
  }));
  client.setNotificationHandler(types.LoggingMessageNotificationSchema, ({ params }) => {
    heard.logs.push(String(params.data));
  });
  client.fallbackNotificationHandler = async ({ method }) => {
    heard.messages.push(method);
  };
  const headers = { authorization: `Bearer ${bearer}` };
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  await client.connect(transport);
  return { client, transport, heard };
}

async function said(client, name, args = {}, more = {}) {
  const result = await client.callTool({ name, arguments: args }, undefined, {
    ...options,
    ...more,
  });
  const text = String(result.content[0].text);
  if (result.isError) throw new Error(text);
  return text;
}

async function until(holds) {
  for (const end = Date.now() + SECONDS * 1000; !(await holds()); ) {
    if (Date.now() > end) throw new Error("it never came");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const tries = {
  every_revision_is_served: ({ transport }) => transport.protocolVersion,
  who_the_server_is_reaches_the_client({ client }) {
    const { name, version } = client.getServerVersion();
    return [name, version, client.getInstructions()];
  },
  async lists_and_templates({ client }) {
    const { tools } = await client.listTools();
    const { resources } = await client.listResources();
    const { resourceTemplates } = await client.listResourceTemplates();
    const { prompts } = await client.listPrompts();
    return {
      tools: tools.map(({ name }) => name),
      resources: resources.map(({ uri }) => uri),
      templates: resourceTemplates.map(({ uriTemplate }) => uriTemplate),
      prompts: prompts.map(({ name }) => name),
    };
  },
  async calls_with_mirrored_arguments({ client }) {
    await client.listTools();
    return said(client, "echo", { text: "hello", region: "Köln" });
  },
  async progress({ client }) {
    const steps = [];
    const onprogress = ({ progress, total, message }) => steps.push([progress, total, message]);
    const result = await said(client, "count", {}, { onprogress });
    return [result, steps];
  },
  async cancellation({ client }) {
    const notes = async () => JSON.parse(await said(client, "notes"));
    const stop = new AbortController();
    const call = said(client, "wait", { name: "typescript1-call" }, { signal: stop.signal });
    call.catch(() => {});
    await until(async () => (await notes()).waiting.includes("typescript1-call"));
    stop.abort("enough");
    await until(async () => (await notes()).cancelled.includes("typescript1-call"));
    return "cancelled";
  },
  async logging({ client, heard }) {
    await client.setLoggingLevel("warning");
    await said(client, "talk");
    await until(() => heard.logs.includes("warning words"));
    return "warning words";
  },
  sampling: ({ client }) => said(client, "dream"),
  elicitation_by_form: async ({ client, heard }) => [await said(client, "ask"), heard.asked.pop()],
  elicitation_by_url: async ({ client, heard }) => [await said(client, "visit"), heard.asked.pop()],
  roots: ({ client }) => said(client, "places"),
  async several_questions_in_one_call({ client }) {
    return [await said(client, "both"), await said(client, "pieces")];
  },
  async a_page_that_must_be_visited_first({ client }) {
    const codes = [];
    const call = { name: "consent", arguments: { name: "typescript1" } };
    await client.callTool(call).catch(({ code }) => codes.push(code));
    return [codes, await said(client, call.name, call.arguments)];
  },
  async two_clients_that_are_asked_at_once() {
    const one = await connect({ colour: "blue" });
    const other = await connect({ bearer: otherToken, colour: "green" });
    const asked = [one, other, one, other, one, other];
    const colours = await Promise.all(asked.map(({ client }) => said(client, "ask")));
    await Promise.all([one, other].map(({ client }) => client.close()));
    return colours;
  },
  async a_client_that_cannot_be_asked() {
    const { client } = await connect({ asks: false });
    try {
      return Boolean((await client.callTool({ name: "ask" }, undefined, options)).isError);
    } catch {
      return true;
    } finally {
      await client.close();
    }
  },
  async resources({ client }) {
    const { contents } = await client.readResource({ uri: "memo:one" });
    const missing = await client.readResource({ uri: "memo:none" }).then(
      () => null,
      ({ code }) => code,
    );
    return [contents[0].text, missing];
  },
  async prompts_and_completion({ client }) {
    const { messages } = await client.getPrompt({ name: "greet" });
    const ref = { type: "ref/prompt", name: "greet" };
    const { completion } = await client.complete({ ref, argument: { name: "name", value: "A" } });
    return [messages[0].content.text, completion.values];
  },
  async subscriptions_and_list_changed({ client, heard }) {
    const wanted = ["notifications/resources/updated", "notifications/tools/list_changed"];
    await client.subscribeResource({ uri: "memo:one" });
    await until(async () => {
      await said(client, "touch");
      await said(client, "grow");
      return wanted.every((method) => heard.messages.includes(method));
    });
    await client.unsubscribeResource({ uri: "memo:one" });
    return wanted;
  },
  async content_crosses_whole({ client }) {
    const { content } = await client.callTool({ name: "sing" });
    return content.map(({ type }) => type);
  },
};

const first = await connect();
for (const feature of features) {
  const line = { feature };
  try {
    line.said = await tries[feature](first);
  } catch (error) {
    line.failed = String(error);
  }
  console.log(JSON.stringify(line));
}
await first.client.close();
process.exit(0);
