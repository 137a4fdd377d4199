"""``python -m example_project`` runs the demo."""

from example_project.run import main

raise SystemExit(main())
