"""What every room uses: errors, progress, whole files, marks, tasks, random streams, compiling."""
