// Gostdio is an MCP server on stdin and stdout that is one static program: no
// shell, no libc, no file beside it.  It speaks the legacy era alone.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type object map[string]any

var known = map[string]bool{
	"2024-11-05": true, "2025-03-26": true, "2025-06-18": true, "2025-11-25": true,
}

var tools = []object{
	tool("echo", "Say it back.", object{"text": object{"type": "string"}}, []string{"text"}),
	tool("crash", "End this process at once.", object{}, []string{}),
	tool("garbage", "Write a line that is no JSON, then answer.", object{}, []string{}),
}

func tool(name, description string, properties object, required []string) object {
	schema := object{"type": "object", "properties": properties, "required": required}
	return object{"name": name, "description": description, "inputSchema": schema}
}

func text(words string) object {
	return object{"content": []object{{"type": "text", "text": words}}}
}

func initialize(params json.RawMessage) object {
	var asked struct {
		ProtocolVersion string `json:"protocolVersion"`
	}
	_ = json.Unmarshal(params, &asked)
	if !known[asked.ProtocolVersion] {
		asked.ProtocolVersion = "2025-11-25"
	}
	return object{
		"protocolVersion": asked.ProtocolVersion,
		"capabilities":    object{"tools": object{}},
		"serverInfo":      object{"name": "gostdio", "version": "1.0.0"},
	}
}

func call(params json.RawMessage) (object, *failure) {
	var asked struct {
		Name      string            `json:"name"`
		Arguments map[string]string `json:"arguments"`
	}
	if err := json.Unmarshal(params, &asked); err != nil {
		return nil, &failure{-32602, err.Error()}
	}
	switch asked.Name {
	case "echo":
		return text(asked.Arguments["text"]), nil
	case "crash":
		os.Exit(9)
	case "garbage":
		fmt.Println("this is not JSON")
		return text("wrote garbage"), nil
	}
	return nil, &failure{-32602, "unknown tool: " + asked.Name}
}

func answer(asked request) (object, *failure) {
	switch asked.Method {
	case "initialize":
		return initialize(asked.Params), nil
	case "ping":
		return object{}, nil
	case "tools/list":
		return object{"tools": tools}, nil
	case "tools/call":
		return call(asked.Params)
	}
	return nil, &failure{-32601, "method not found: " + asked.Method}
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if json.Unmarshal(line, &asked) != nil {
			fault := failure{-32700, "parse error"}
			_ = out.Encode(object{"jsonrpc": "2.0", "id": nil, "error": fault})
			continue
		}
		if asked.ID == nil {
			continue // a notification
		}
		reply := object{"jsonrpc": "2.0", "id": asked.ID}
		if result, fault := answer(asked); fault != nil {
			reply["error"] = fault
		} else {
			reply["result"] = result
		}
		_ = out.Encode(reply)
	}
}
