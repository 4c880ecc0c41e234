"""The operator: turns MCPServer and MCPAccessPolicy objects into private pods and rules."""
