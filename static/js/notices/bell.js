// The bell of a page that has nothing else to follow.

import { followBell } from "./follow.js";

followBell();
