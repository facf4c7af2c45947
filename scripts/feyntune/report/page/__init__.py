"""`report.html`: its content, and the template, style and script that it is made with."""
