// Lint of the studio's page and its tests: what is wrong, not how it is laid out.
import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    rules: {
      eqeqeq: "error",
      "max-lines": ["error", 350],
      "no-implicit-globals": "error",
      "no-shadow": "error",
      "no-unused-vars": ["error", { caughtErrors: "all" }],
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "prefer-template": "error",
    },
  },
  { files: ["src/loopwright/studio/static/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["tests/js/*.js"], languageOptions: { globals: globals.node } },
];
