"""What takes in pictures: from encoders to the files that players fetch."""
