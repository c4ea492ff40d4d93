/** Group 7: broken configuration is named with file and line, and the last good one stays in force. */
